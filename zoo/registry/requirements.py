"""What a plugin's distribution says that it needs, held against what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, version

from zoo.errors import ZooError
from zoo.files import quoted

# What could not be anything else where it is pasted into a shell.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+!_-]*")


def check_requirements(distribution: Distribution) -> None:
    """Hold what a distribution says that it needs against what is installed.

    Raises:
        ZooError: something is missing, or of another version.
    """
    if unmet := list(_unmet(distribution)):
        wanted = " ".join(f"'{requirement}'" for requirement, _ in unmet)
        raise ZooError(f"needs {'; '.join(f'{r}, {problem}' for r, problem in unmet)}: pip install {wanted}")


def how_to_install(distribution: str, version: str) -> str:
    """Say what to type for a distribution of which a file speaks; in quotes alone, where it is no name for pip."""
    if _NAME.fullmatch(distribution) and _VERSION.fullmatch(version):
        return f"pip install '{distribution}=={version}'"
    return f"install its distribution, {quoted(distribution)} {quoted(version)}"


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
