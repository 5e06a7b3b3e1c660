"""What a plugin's distribution says that it needs, held against what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, version

from zoo.errors import ZooError


def check_requirements(distribution: Distribution) -> None:
    """Hold what a distribution says that it needs against what is installed.

    Raises:
        ZooError: something is missing, or of another version.
    """
    if unmet := list(_unmet(distribution)):
        wanted = " ".join(f"'{requirement}'" for requirement, _ in unmet)
        raise ZooError(f"needs {'; '.join(f'{r}, {problem}' for r, problem in unmet)}: pip install {wanted}")


def _unmet(distribution: Distribution) -> Iterator[tuple[str, str]]:
    if not distribution.requires:
        return
    from packaging.requirements import Requirement

    for text in distribution.requires:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        short = f"{requirement.name}{requirement.specifier}"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield short, "which is not installed"
        else:
            # Whoever installed a pre-release wanted it.
            if not requirement.specifier.contains(installed, prereleases=True):
                yield short, f"and {installed} is installed"
