"""A model's card: README.md, with the header in YAML that the hub reads."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import UsageError
from zoo.files import quoted
from zoo.recipe import NONE, Recipe
from zoo.registry.spec import names_in, parse_sum
from zoo.versions import DISTRIBUTION

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

SHEET = "contact-sheet.jpg"
TASK = "image-to-image"

_BEGIN = "<!-- zoo: what its author says. This part is kept when the card is written again, the others are not. -->"
_END = "<!-- zoo: end of what its author says -->"
PLACEHOLDER = (
    "**To be filled in by the author:** what the model is good and bad at, where its photographs come from, whether a "
    "model of them may be passed on, and under which licence it is."
)

# Of a card without a header: words that stand after "Licence:" there and are names that the hub knows.
_LICENSES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "mpl-2.0", "unlicense", "openrail"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
    *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
}
_LICENSE_LINE = re.compile(r"^[\W_]*licen[cs]e[\W_]+([a-z][\w.+-]*\w)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Words:
    """What people said of a model, not the file itself."""

    text: str = ""
    license: str | None = None

    def over(self, other: Words) -> Words:
        """Fill in what is not said here."""
        return Words(self.text or other.text, self.license or other.license)


@dataclass(frozen=True)
class Subject:
    """What a card is about."""

    name: str
    reference: str
    """What to write after `--model`."""
    about: Mapping[str, Any]
    """What the model file says of itself, without anybody's folders: see `zoo_publish.reducing`."""
    recipe: Recipe
    words: Words
    summary: str = ""
    has_sheet: bool = False


def check_license(license_: str) -> None:
    """See that a licence may be one's name on the hub, which knows the list.

    Raises:
        UsageError: it may not.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", license_):
        raise UsageError(f"--license {license_}: write the hub's name of it, in lower case, such as mit or cc-by-4.0")


def is_ours(card: str) -> bool:
    """Whether zoo wrote a card."""
    return _BEGIN in card


def read_words(card: str) -> Words:
    """Read what people said in a card: of zoo's own, the author's part; all of another one.

    A header in YAML says the licence, or else a line that begins with "Licence:".
    """
    from huggingface_hub import ModelCard

    from zoo.hub import quiet

    try:
        with quiet("huggingface_hub"):
            parsed = ModelCard(card, ignore_metadata_errors=True)
        text, license_ = parsed.text, parsed.data.get("license")
    except Exception:  # whatever a header is that is none
        text, license_ = card, None
    if is_ours(card):
        text = text.partition(_BEGIN)[2].partition(_END)[0]
    text = text.strip()
    if text == PLACEHOLDER:
        text = ""
    if not isinstance(license_, str):
        found = next((word.lower() for word in _LICENSE_LINE.findall(text)), None)
        license_ = found if found in _LICENSES else None
    return Words(text, license_)


def render(subject: Subject) -> str:
    """Write the card of a model."""
    from huggingface_hub import ModelCard

    parts = [
        f"# {subject.name}",
        subject.summary or "A model that gives black-and-white photographs their colours.",
        *_sheet(subject),
        *_use(subject),
        "## What its author says",
        _BEGIN,
        _without_title(subject.words.text) or PLACEHOLDER,
        _END,
        *_measured(subject),
        *_trained(subject),
        *_recipe(subject),
    ]
    body = "\n\n".join(parts)
    return str(ModelCard(f"---\n{_header(subject).to_yaml()}\n---\n\n{body}\n"))


def _header(subject: Subject) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    recipe = subject.recipe
    metrics, grey = _metrics(subject, "metrics"), _metrics(subject, "grey")
    data = names_in(recipe.data)
    return ModelCardData(
        license=subject.words.license,
        library_name="zoo",
        pipeline_tag=TASK,
        tags=["colorization", *(["gan"] if recipe.critic != NONE else []), names_in(recipe.generator), "zoo"],
        metrics=list(metrics) or None,
        model_name=subject.name,
        eval_results=[
            EvalResult(
                task_type=TASK,
                task_name="Colorization",
                dataset_type=data,
                dataset_name=_data(recipe),
                dataset_split="validation",
                metric_type=name,
                metric_name=f"{name} (left grey: {grey[name]:.4g})" if name in grey else name,
                metric_value=round(value, 4),
            )
            for name, value in metrics.items()
        ]
        or None,
    )


def _without_title(text: str) -> str:
    """The card has a title of its own, and the author's headings stand below it."""
    text = re.sub(r"\A# .*\n+", "", text)
    return re.sub(r"^(#{1,2}) ", r"\1# ", text, flags=re.MULTILINE).strip()


def _sheet(subject: Subject) -> list[str]:
    if not subject.has_sheet:
        return []
    caption = "Grey | coloured by the model | original"
    return [f"![{caption}]({SHEET})", f"*{caption}.*"]


def _use(subject: Subject) -> list[str]:
    component = subject.about["generator"]
    needed = f"`{quoted(component['name'])}` of {quoted(component['distribution'])} {quoted(component['version'])}"
    return [
        "## Use it",
        f"```sh\nzoo colorize album/ --model {shlex.quote(subject.reference)} -o coloured/\n```",
        "or in Python:",
        "```python\n"
        "from zoo import load_model\n"
        "from zoo.photo import read_photo, save_photo\n\n"
        f"model = load_model({json.dumps(subject.reference)})\n"
        'save_photo("coloured.png", model.colorize(read_photo("grandmother.jpg")))\n'
        "```",
        f"That takes zoo, a model zoo for colorization (the distribution {DISTRIBUTION}), with the generator {needed}. "
        "A photograph keeps its size and the lightness of every pixel.",
    ]


def _measured(subject: Subject) -> list[str]:
    metrics, grey = _metrics(subject, "metrics"), _metrics(subject, "grey")
    if not metrics:
        return []
    recipe = subject.recipe
    rows = [("", "this model", *(["left grey"] if grey else []))]
    rows += [
        (f"`{name}`", f"{value:.4g}", *([f"{grey[name]:.4g}" if name in grey else ""] if grey else []))
        for name, value in metrics.items()
    ]
    return [
        "## Measured",
        f"On validation photographs of its own data set, which it did not learn from: up to {recipe.val_images}, the "
        f"middle of each, at {recipe.size} pixels.",
        _table(rows),
    ]


def _trained(subject: Subject) -> list[str]:
    recipe, said = subject.recipe, subject.about["provenance"]
    versions = said.get("versions")
    init = said.get("init")
    rows = {
        "data": _data(recipe)
        + (f", {photographs} photographs" if (photographs := _count(said, "photographs")) else ""),
        "fingerprint of the data": _text(said, "fingerprint"),
        "steps": _count(said, "steps"),
        "crops seen": (images := _count(said, "images")) and f"{images}, of {recipe.size} pixels at the end",
        "epochs": _number(said, "epochs"),
        "hours": f"{said['seconds'] / 3600:.2g}" if _number(said, "seconds") else "",
        "on": _text(said, "device"),
        "began with": _began_with(init) if isinstance(init, dict) else "",
        "versions": ", ".join(f"{quoted(str(k))} {quoted(str(v))}" for k, v in versions.items())
        if isinstance(versions, dict)
        else "",
        "saved": _text(said, "saved"),
    }
    return ["## How it was trained", _table([("", ""), *((name, text) for name, text in rows.items() if text)])]


def _recipe(subject: Subject) -> list[str]:
    init = subject.about["provenance"].get("init")
    with_init = f" --init {quoted(str(init['model']))}" if isinstance(init, dict) and "model" in init else ""
    folder = parse_sum(subject.recipe.data)[0].options.get("path")
    where = f" Its photographs are looked for in `{folder}`, and elsewhere with `--data FOLDER`." if folder else ""
    return [
        "## Recipe",
        f"With this as `recipe.toml`, `zoo run --recipe recipe.toml{with_init}` trains another one like it.{where}",
        f"```toml\n{subject.recipe.to_toml().strip()}\n```",
    ]


# ------------------------------------------------------------------------------------------------- words and numbers


def _metrics(subject: Subject, key: str) -> dict[str, float]:
    found = subject.about["provenance"].get(key)
    numbers = found.items() if isinstance(found, dict) else ()
    return {quoted(name): float(value) for name, value in numbers if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(said: Mapping[str, Any], key: str) -> str:
    return f"{said[key]:,.0f}" if _is_number(said.get(key)) else ""


def _number(said: Mapping[str, Any], key: str) -> str:
    return f"{said[key]:.4g}" if _is_number(said.get(key)) else ""


def _text(said: Mapping[str, Any], key: str) -> str:
    # In words of its own, it breaks no table.
    return re.sub(r"[|`<>\[\]]", " ", quoted(said[key]).strip("'")) if isinstance(said.get(key), str) else ""


def _began_with(init: Mapping[str, Any]) -> str:
    whose = " ".join(text for key in ("distribution", "version") if (text := _text(init, key)))
    return _text(init, "model") + (f" of {whose}" if whose else "")


def _data(recipe: Recipe) -> str:
    folder = parse_sum(recipe.data)[0].options.get("path")
    return f"{folder} ({names_in(recipe.data)})" if folder else names_in(recipe.data)


def _table(rows: list[tuple[str, ...]]) -> str:
    first, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([first, "|" + "---|" * len(rows[0]), *rest])
