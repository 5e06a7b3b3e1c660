"""What the Tab key offers for the words of a command: names. Nothing heavy is imported for it, and nothing fails."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from zoo.recipe import NONE
from zoo.registry.contracts import KINDS, Kind

Completer = Callable[[str], list[str]]


def component_names(*kinds: Kind, after: str = "") -> Completer:
    """Offer components and their aliases.

    Args:
        kinds: theirs; by default all.
        after: characters after which another name begins, such as a comma in a list.
    """

    def find(incomplete: str) -> Iterable[str]:
        from zoo.registry import get

        known = get()
        wanted = kinds or KINDS
        names = [known.name_of(component) for component in known.components if component.kind in wanted]
        names += [alias for kind, alias in known.catalogue.aliases if kind in wanted]
        if kinds in (("critic",), ("augmentation",)):
            names.append(NONE)
        begun = incomplete[: max(incomplete.rfind(sign) for sign in after) + 1] if after else ""
        return [begun + name for name in names]

    return _silent(find)


def _plugins(_incomplete: str) -> Iterable[str]:
    from zoo.registry import get

    return [plugin.name for plugin in get().plugins]


def _recipes(incomplete: str) -> Iterable[str]:
    from zoo.registry import get

    return [*get().catalogue.recipes, *_runs(incomplete)]


def _runs(incomplete: str) -> Iterable[str]:
    from zoo.run import list_runs

    begun, slash, _ = incomplete.rpartition("/")
    folder = Path(begun + slash) if slash else Path("runs")
    return [str(run.path) for run in list_runs(folder)]


def _models(incomplete: str) -> Iterable[str]:
    return [*component_names("model")(incomplete), *_runs(incomplete)]


def _silent(find: Callable[[str], Iterable[str]]) -> Completer:
    def complete(incomplete: str) -> list[str]:
        try:
            # The shell takes what is printed for names, and shows errors in the middle of the line.
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                found = find(incomplete)
        except Exception:
            return []
        # A shell would take a name with a blank in it for two.
        return sorted({name for name in found if name.startswith(incomplete) and " " not in name})

    return complete


plugin_names = _silent(_plugins)
"""Offers plugins."""
recipe_names = _silent(_recipes)
"""Offers recipes, and runs, whose recipes can be repeated."""
run_folders = _silent(_runs)
"""Offers the runs in `runs`, or in the folder that was begun to be typed."""
model_sources = _silent(_models)
"""Offers models by name, and runs."""
