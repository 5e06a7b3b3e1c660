"""A recipe: everything that defines a run. Frozen; to and from TOML."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_serializer,
    model_validator,
)

from zoo import registry
from zoo.catalogue import DURATIONS, PARTS, overlay, read_toml
from zoo.contracts import Kind
from zoo.errors import UsageError
from zoo.spec import Spec, parse, parse_list, parse_sum, write_list
from zoo.suggest import did_you_mean

AUTO = 0
"""The batch that `auto` stands for, until there are networks to find one for."""

_STAGE = r"(generator|critic|gan):[0-9]*\.?[0-9]+"
Stage = Literal["generator", "critic", "gan"]


# As they are typed, for editors of TOML.
_SIZES = {
    "anyOf": [{"type": "integer", "minimum": 16, "maximum": 8192}, {"type": "string", "pattern": r"^\d+(,\d+)+$"}]
}
_BATCH = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}


def _listed(value: Any) -> Any:
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _automatic(value: Any) -> Any:
    if str(value) == "0":
        raise ValueError("write a number from 1 on, or auto")
    return AUTO if value == "auto" else value


class Recipe(BaseModel):
    """Everything that defines a run.

    The four parts are specs, such as `unet-deep:base=32`; see `zoo.spec`. A run ends when the first of `epochs`,
    `steps` and `minutes` that is given is reached.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    summary: str = Field("", description="one line for people")
    generator: str = Field(description="predicts chroma from lightness")
    critic: str = Field(description="tells originals from coloured pictures; none: image losses alone")
    loss: str = Field(description="a sum of losses, such as 100*l1+adv")
    data: str = Field(description="a data set, or a folder of photographs")
    size: Annotated[int, WithJsonSchema(_SIZES)] = Field(
        256, ge=16, le=8192, description="side of the training crops in pixels"
    )
    first_sizes: Annotated[tuple[Annotated[int, Field(ge=16, le=8192)], ...], BeforeValidator(_listed)] = Field(
        (), description="smaller sides that the run begins with, each for an equal share of it"
    )
    batch: Annotated[int, BeforeValidator(_automatic), WithJsonSchema(_BATCH)] = Field(
        4, ge=0, description="pictures per step; auto: the largest power of two, up to 64, that memory should hold"
    )
    epochs: float | None = Field(None, gt=0, description="rounds through the data set")
    steps: int | None = Field(None, ge=1, description="steps of both networks")
    minutes: float | None = Field(None, gt=0, description="minutes of training")
    schedule: str = Field(
        "",
        pattern=rf"^({_STAGE}( +{_STAGE})*)?$",
        description="who learns for how many epochs, such as 'generator:10 critic:2 gan:20'; otherwise both, always",
    )
    lr: float = Field(2e-4, gt=0, lt=1, description="learning rate of both networks (Adam)")
    lr_critic: float | None = Field(None, gt=0, lt=1, description="the critic's own rate, where it has one")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's memory of gradients")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's memory of squared gradients")
    decay: float = Field(0.5, ge=0, le=1, description="share of the run, at its end, in which the rate falls to 0")
    fall: Literal["linear", "cosine"] = Field("linear", description="how the rate falls")
    warmup: int = Field(0, ge=0, description="steps at the beginning in which the rate rises from 0")
    ema: float = Field(0.999, ge=0, lt=1, description="memory of the generator's moving average; 0 keeps none")
    crop: float = Field(0.6, gt=0, le=1, description="smallest crop, as a share of the photograph's short side")
    flip: bool = Field(True, description="mirror half of the crops")
    seed: int = Field(0, ge=0, lt=2**63, description="of the weights, the order of the data and the crops")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cuda, cuda:1, mps or cpu")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto",
        description="bf16 runs the networks in bfloat16; auto does so where the hardware is fast at it",
    )
    compile: Literal["auto", "off", "max"] = Field(
        "auto", description="torch.compile: auto on CUDA alone, max everywhere, tuned, and as a CUDA graph"
    )
    memory: Literal["normal", "low"] = Field(
        "normal", description="low computes the generator's activations twice instead of keeping them"
    )
    sync_batch_norm: bool = Field(False, description="batch norm sees the whole batch of several GPUs")
    workers: int | None = Field(None, ge=0, description="processes that load photographs")
    evaluate: int | None = Field(
        None, ge=1, description="steps between looks at held-out photographs; otherwise at each epoch"
    )
    keep_epochs: Annotated[tuple[int, ...], BeforeValidator(_listed)] = Field(
        (), description="epochs whose model and checkpoint are never removed, such as 50,100"
    )
    metrics: str = Field(
        "", description="what is measured on them; the first chooses the best model. Otherwise as registry.toml says"
    )
    track: str = Field("", description="trackers that follow the run, such as tensorboard,csv")
    held_out: int = Field(64, ge=1, description="held-out photographs to measure on, at the most")

    @model_validator(mode="before")
    @classmethod
    def _reads_sizes(cls, table: Any) -> Any:
        """Take several sizes apart: "64,128,256" is 256 with 64 and 128 first."""
        if not isinstance(table, dict) or not isinstance(size := table.get("size"), str) or "," not in size:
            return table
        *first, last = size.split(",")
        return {**table, "size": last, "first_sizes": first}

    @field_serializer("batch")
    def _as_typed(self, batch: int) -> int | str:
        return "auto" if batch == AUTO else batch

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if not any(getattr(self, name) for name in DURATIONS) and not self.schedule:
            raise ValueError("give one of epochs, steps and minutes, so that the run ends")
        return self

    @classmethod
    def find(cls, source: str, /, **changes: Any) -> Recipe:
        """Take a recipe from its .toml file, from the folder of a run, or by name, with some fields changed.

        Raises:
            UsageError: there is none, it is malformed, an unknown field, or a value that it cannot have.
        """
        if source.endswith(".toml"):
            return cls.load(source, **changes)
        if (file := Path(source) / "recipe.toml").is_file():
            return cls.load(file, **changes)
        return cls.named(source, **changes)

    @classmethod
    def named(cls, name: str | None = None, /, **changes: Any) -> Recipe:
        """Take a recipe from the registry by name (its default one where none is given), with some fields changed.

        A duration or a schedule among the changes replaces the recipe's own end, whatever its unit. The default fields
        and the default options of registry.toml are filled in.

        Raises:
            UsageError: no such recipe, an unknown field, or a value that it cannot have.
        """
        catalogue = registry.get().catalogue
        name = catalogue.default if name is None else name
        recipe = _checked(
            catalogue.recipe(name), changes, lambda field: f"recipe {name} ({catalogue.place_of_field(name, field)})"
        )
        return recipe._with_defaults(PARTS)

    @classmethod
    def load(cls, path: Path | str, **changes: Any) -> Recipe:
        """Read a recipe from a TOML file, with some fields changed.

        The file says all that there is to say: of registry.toml, only the default options of changed parts count.

        Raises:
            UsageError: the file is missing or malformed, an unknown field, or a value that it cannot have.
        """
        recipe = _checked(read_toml(Path(path))[0], changes, lambda _: str(path))
        return recipe._with_defaults([part for part in PARTS if changes.get(part) is not None])

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> Recipe:
        """Check a table of fields; `where` is what an error message calls it.

        Raises:
            UsageError: an unknown field, or a value that it cannot have.
        """
        return _checked(table, {}, lambda _: where)

    def lengthened(self, **durations: float | None) -> Recipe:
        """Return the recipe with another end.

        Raises:
            UsageError: a duration that it cannot have.
        """
        return _checked(self.to_table(), durations, lambda _: "recipe")

    def to_toml(self) -> str:
        """Write the recipe as TOML, with every field that has a value."""
        import tomli_w

        return tomli_w.dumps(self.to_table())

    def to_table(self) -> dict[str, Any]:
        """Return every field that has a value."""
        return {name: value for name, value in self.model_dump().items() if value not in (None, "", ())}

    @property
    def losses(self) -> tuple[Spec, ...]:
        """The terms of the sum of losses, with their weights where they were written."""
        return parse_sum(self.loss)

    @property
    def stages(self) -> tuple[tuple[Stage, float], ...]:
        """The schedule: who learns, and until which epoch. Both, for ever, where there is none."""
        stages: list[tuple[Stage, float]] = []
        end = 0.0
        for stage in self.schedule.split():
            name, epochs = stage.split(":")
            end += float(epochs)
            stages.append((cast(Stage, name), end))
        return tuple(stages) or (("gan", math.inf),)

    def size_at(self, share: float) -> int:
        """Return the side of the crops when so much of the run is done: each size has an equal share."""
        sizes = (*self.first_sizes, self.size)
        return sizes[min(int(share * len(sizes)), len(sizes) - 1)]

    @property
    def last_epoch(self) -> float:
        """The epoch that ends the run: the one given, or the schedule's end; infinite where there is neither."""
        return self.epochs or (math.inf if self.steps or self.minutes else self.stages[-1][1])

    def share_after(self, steps: int, epochs: float, seconds: float) -> float:
        """Return how much of the run is done: 1 at its end."""
        return max(
            steps / (self.steps or math.inf), epochs / self.last_epoch, seconds / 60 / (self.minutes or math.inf)
        )

    def stage_at(self, epoch: float) -> Stage:
        """Return who learns at an epoch. Beyond the schedule's end, the last stage goes on."""
        return next((name for name, end in self.stages if epoch < end), self.stages[-1][0])

    def rate_at(self, share: float, step: int) -> float:
        """Return the learning rates' factor: it rises in the warm-up, is 1, and falls to 0 at the end of the run."""
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        if share <= 1 - self.decay:
            return rising
        left = (1 - share) / self.decay
        return rising * (left if self.fall == "linear" else (1 - math.cos(math.pi * left)) / 2)

    def check_parts(self) -> None:
        """Check what can be known without making anything: names, weights, and that the parts belong together.

        Raises:
            UsageError: a part is unknown or malformed, a loss is there twice, or critic and losses do not fit.
        """
        known = registry.get()
        known.find("generator", parse(self.generator).name)
        known.find("dataset", known.read("dataset", self.data).name)
        has_critic = self.critic != registry.NONE
        if has_critic:
            known.find("critic", parse(self.critic).name)
        for kind, listed in (("metric", self.metrics), ("tracker", self.track)):
            for spec in parse_list(listed):
                known.find(cast(Kind, kind), spec.name)
        terms = [(spec, known.find("loss", spec.name)) for spec in self.losses]
        names = [component.qualified for _, component in terms]
        for spec, component in terms:
            if names.count(component.qualified) > 1:
                raise UsageError(f"--loss {self.loss}: {spec.name} is there twice; write it once, with one weight")
        adversarial = [component.name for _, component in terms if component.adversarial]
        if self.schedule and not has_critic:
            raise UsageError(f"--schedule {self.schedule!r} needs a critic: write --critic NAME, or leave it out")
        if "generator:" in self.schedule and len(adversarial) == len(terms):
            raise UsageError(f"--schedule {self.schedule!r}: without a critic, --loss {self.loss} teaches nothing")
        if has_critic and not adversarial:
            offered = [c.name for c in known.components if c.kind == "loss" and c.adversarial]
            raise UsageError(
                f"the critic {self.critic} has no part in --loss {self.loss}: add an adversarial loss "
                f"({', '.join(offered)}), or write --critic none"
            )
        if adversarial and not has_critic:
            raise UsageError(
                f"--loss {self.loss}: {adversarial[0]} needs a critic: write --critic NAME "
                f"({', '.join(c.name for c in known.components if c.kind == 'critic')}), or leave it out"
            )

    def _with_defaults(self, parts: Collection[str]) -> Recipe:
        """Write the default options of registry.toml into these parts."""
        known = registry.get()
        return self.model_copy(
            update={part: known.with_defaults(PARTS[part], getattr(self, part)) for part in parts}
            if known.catalogue.options
            else {}
        )

    def resolved(self) -> Recipe:
        """Check all options too, and make every path absolute, so that the recipe means the same from any folder.

        Raises:
            UsageError: as `check_parts`, or an option is unknown, missing or of another type.
        """
        self.check_parts()
        known = registry.get()
        metrics = self.metrics or known.catalogue.fields.get("metrics", "")
        losses = [
            Spec(
                spec.name,
                spec.options,
                known.find("loss", spec.name).weight if spec.weight is None else spec.weight,
            )
            for spec in self.losses
        ]
        return self.model_copy(
            update={
                "generator": str(known.check("generator", parse(self.generator))),
                "critic": str(known.check("critic", parse(self.critic))) if self.critic != registry.NONE else "none",
                "loss": "+".join(str(known.check("loss", spec)) for spec in losses),
                "data": str(known.check("dataset", known.read("dataset", self.data))),
                "metrics": write_list(known.check("metric", spec) for spec in parse_list(metrics)),
                "track": write_list(known.check("tracker", spec) for spec in parse_list(self.track)),
            }
        )


def _checked(table: Mapping[str, Any], changes: Mapping[str, Any], where: Callable[[str], str]) -> Recipe:
    changes = {name: value for name, value in changes.items() if value is not None}
    try:
        return Recipe.model_validate(overlay(table, changes))
    except ValidationError as error:
        problems = error.errors()
        unchanged = [p["loc"] for p in problems if not p["loc"] or p["loc"][0] not in changes]
        # What was changed is not in the file.
        prefix = f"{where(str(unchanged[0][0]) if unchanged[0] else '')}: " if unchanged else ""
        raise UsageError(prefix + "; ".join(map(_explain, problems))) from None


def _explain(problem: Any) -> str:
    if not problem["loc"]:
        return str(problem["ctx"]["error"])
    name = str(problem["loc"][0])
    known = list(Recipe.model_fields)
    if problem["type"] == "extra_forbidden":
        return f"a recipe has no {name!r}{did_you_mean(name, known)} (it has: {', '.join(known)})"
    description = Recipe.model_fields[name].description
    if problem["type"] == "missing":
        return f"{name} is missing ({description})"
    if problem["type"] == "string_pattern_mismatch":
        return f"{name} = {problem['input']!r}: expected {description}"
    typed = str(problem["input"])
    shown = typed if re.fullmatch(r"-?[0-9]+", typed) else repr(problem["input"])
    message = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"]
    return f"{name} = {shown}: {message[:1].lower() + message[1:]}"
