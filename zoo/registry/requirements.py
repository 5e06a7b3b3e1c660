"""What a plugin's distribution says that it needs, held against what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, version
from pathlib import PurePosixPath, PureWindowsPath

from zoo.errors import ZooError
from zoo.files import quoted
from zoo.registry.folders import HASH
from zoo.versions import DISTRIBUTION

# What could not be anything else where it is pasted into a shell.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+!_-]*")


def check_requirements(distribution: Distribution) -> None:
    """Hold what a distribution says that it needs against what is installed.

    Raises:
        ZooError: something is missing, or of another version.
    """
    if unmet := list(_unmet(distribution)):
        wanted = [f"'{requirement}'" for name, requirement, _ in unmet if name != DISTRIBUTION]
        ways = [f"pip install {' '.join(wanted)}"] if wanted else []
        if len(wanted) < len(unmet):
            ways.append("install that zoo, as its README says")
        said = "; ".join(f"{requirement}, {problem}" for _, requirement, problem in unmet)
        raise ZooError(f"needs {said}: {', and '.join(ways)}")


def how_to_install(distribution: str, version: str) -> str:
    """Say what to type for a distribution of which a file speaks; in quotes alone, where it is no name for pip.

    Of a plugin that was no distribution but a file, say which file of which folder.
    """
    if version.startswith(HASH):
        path = PureWindowsPath(distribution) if "\\" in distribution else PurePosixPath(distribution)
        folder = f" of the folder {quoted(str(path.parent))}" if path.is_absolute() else ""
        return f"it was in the file {quoted(path.name)}{folder}; where that is now, say with zoo --plugins-dir FOLDER …"
    if distribution == DISTRIBUTION:
        # On no package index yet: what is found there under this name would be somebody else's.
        return f"install zoo {quoted(version)}, as its README says"
    if _NAME.fullmatch(distribution) and _VERSION.fullmatch(version):
        return f"pip install '{distribution}=={version}'"
    return f"install its distribution, {quoted(distribution)} {quoted(version)}"


def _unmet(distribution: Distribution) -> Iterator[tuple[str, str, str]]:
    """Yield name, requirement and problem of each."""
    if not distribution.requires:
        return
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for text in distribution.requires:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, short = canonicalize_name(requirement.name), f"{requirement.name}{requirement.specifier}"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield name, short, "which is not installed"
        else:
            # Whoever installed a pre-release wanted it.
            if not requirement.specifier.contains(installed, prereleases=True):
                yield name, short, f"and {installed} is installed"
