"""A recipe: everything that defines a run. Frozen data, to and from TOML; it knows no component."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
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

from zoo.errors import UsageError
from zoo.suggest import did_you_mean
from zoo.toml import read_toml, to_toml

PARTS = ("generator", "critic", "loss", "data", "augment", "optimizer")
"""The fields that name components."""
DURATIONS = ("epochs", "steps", "minutes")
"""The fields that end a run."""
NONE = "none"
"""The critic, or the augmentation, of a run without one."""
AUTO = 0
"""The batch that `auto` stands for, until there are networks to find one for."""

Stage = Literal["generator", "critic", "gan"]
_STAGE = r"(generator|critic|gan):[0-9]*\.?[0-9]+"

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

    The parts are specs, such as `unet-deep:base=32`; see `zoo.registry.spec`. A run ends when the first of `epochs`,
    `steps` and `minutes` that is given is reached.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    summary: str = Field("", description="one line for people")
    generator: str = Field(description="predicts chroma from lightness")
    critic: str = Field(
        description="tells originals from coloured pictures; several, such as patch+2*pixel; none: image losses alone"
    )
    loss: str = Field(description="a sum of losses, such as 100*l1+adv; none: the generator's own alone")
    data: str = Field(description="a data set, or a folder of photographs")
    size: Annotated[int, WithJsonSchema(_SIZES)] = Field(
        256, ge=16, le=8192, description="side of the training crops in pixels"
    )
    progressive_sizes: Annotated[tuple[Annotated[int, Field(ge=16, le=8192)], ...], BeforeValidator(_listed)] = Field(
        (), description="smaller sides that the run begins with, each for an equal part of it"
    )
    augment: str = Field(
        "crop:smallest=0.6+flip",
        description="augmentations in their order, such as crop:smallest=0.6+flip+film; none: the largest squares",
    )
    batch: Annotated[int, BeforeValidator(_automatic), WithJsonSchema(_BATCH)] = Field(
        4, ge=0, description="images per step; auto: the largest power of two, up to 64, that memory should hold"
    )
    epochs: float | None = Field(None, gt=0, description="rounds through the data set")
    steps: int | None = Field(None, ge=1, description="optimizer steps")
    minutes: float | None = Field(None, gt=0, description="minutes of training")
    schedule: str = Field(
        "",
        pattern=rf"^({_STAGE}( +{_STAGE})*)?$",
        description="who learns for how many epochs, such as 'generator:10 critic:2 gan:20'; otherwise both, always",
    )
    critic_steps: int = Field(1, ge=1, description="steps of the critic to one of both networks, where both learn")
    optimizer: str = Field("adam", description="moves the weights of both networks, such as adamw:weight_decay=0.01")
    lr: float = Field(2e-4, gt=0, lt=1, description="learning rate of both networks")
    lr_critic: float | None = Field(None, gt=0, lt=1, description="the critic's own learning rate, where it has one")
    lr_decay: float = Field(
        0.5, ge=0, le=1, description="share of the run, at its end, in which the learning rate falls to 0"
    )
    lr_schedule: Literal["linear", "cosine"] = Field("linear", description="the curve along which it falls")
    warmup: int = Field(0, ge=0, description="steps at the beginning in which the learning rate rises from 0")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="decay of the generator's exponential moving average (EMA); 0 keeps none"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of the weights, the order of the data and the augmentation")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cuda, cuda:1, mps or cpu")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto",
        description="bf16 runs the networks in bfloat16; auto does so where the hardware is fast at it",
    )
    compile: Literal["auto", "off", "max"] = Field(
        "auto", description="torch.compile: auto on CUDA alone, max everywhere, tuned, and as a CUDA graph"
    )
    memory: Literal["normal", "low"] = Field(
        "normal", description="low: activation checkpointing, which computes the generator's activations twice"
    )
    sync_batch_norm: bool = Field(False, description="batch norm sees the whole batch of several GPUs")
    workers: int | None = Field(None, ge=0, description="processes that load photographs")
    threads: int | None = Field(
        None,
        ge=1,
        description="threads that compute on a CPU, up to as many as torch takes; otherwise what is fastest",
    )
    val_every: int | None = Field(None, ge=1, description="steps between validations; otherwise one per epoch")
    val_images: int = Field(64, ge=1, description="validation images, at the most")
    on_collapse: Literal["warn", "stop", "rollback"] = Field(
        "warn",
        description="where validations raise an alarm: say so, end, or go back to when all was well, the critic slower",
    )
    keep_epochs: Annotated[tuple[int, ...], BeforeValidator(_listed)] = Field(
        (), description="epochs whose model and checkpoint are never removed, such as 50,100"
    )
    metrics: str = Field(
        "", description="validation metrics; the first one chooses the best model. Otherwise as registry.toml says"
    )
    track: str = Field("", description="trackers that follow the run, such as tensorboard,csv")

    @model_validator(mode="before")
    @classmethod
    def _reads_sizes(cls, table: Any) -> Any:
        """Take several sizes apart: "64,128,256" is 256 with 64 and 128 first."""
        if not isinstance(table, dict) or not isinstance(size := table.get("size"), str) or "," not in size:
            return table
        *first, last = size.split(",")
        return {**table, "size": last, "progressive_sizes": first}

    @field_serializer("batch")
    def _as_typed(self, batch: int) -> int | str:
        return "auto" if batch == AUTO else batch

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if not any(getattr(self, name) for name in DURATIONS) and not self.schedule:
            raise ValueError("give one of epochs, steps and minutes, so that the run ends")
        return self

    # ------------------------------------------------------------------------------------------------- in and out

    @classmethod
    def load(cls, path: Path | str, changes: Mapping[str, Any] | None = None) -> Recipe:
        """Read a recipe from a TOML file, with some fields changed: see `from_table`.

        Raises:
            UsageError: the file is missing or malformed, an unknown field, or a value that it cannot have.
        """
        return cls.from_table(read_toml(Path(path))[0], str(path), changes)

    @classmethod
    def from_table(
        cls, table: Mapping[str, Any], where: str | Callable[[str], str], changes: Mapping[str, Any] | None = None
    ) -> Recipe:
        """Check a table of fields.

        Args:
            table: the fields.
            where: what an error message calls the table, or tells it by the field.
            changes: fields that take the place of the table's, where they are not None; see `overlay`.

        Raises:
            UsageError: an unknown field, or a value that it cannot have.
        """
        changes = {name: value for name, value in (changes or {}).items() if value is not None}
        try:
            return cls.model_validate(overlay(table, changes))
        except ValidationError as error:
            problems = error.errors()
            unchanged = [str(p["loc"][0]) if p["loc"] else "" for p in problems]
            unchanged = [name for name in unchanged if name not in changes]
            # What was changed is not in the file.
            place = where if isinstance(where, str) else where(unchanged[0]) if unchanged else ""
            prefix = f"{place}: " if unchanged else ""
            raise UsageError(prefix + "; ".join(map(_explain, problems))) from None

    def changed(self, **changes: Any) -> Recipe:
        """Return the recipe with some fields changed; one that is None stays. See `overlay`.

        Raises:
            UsageError: an unknown field, or a value that it cannot have.
        """
        return Recipe.from_table(self.to_table(), "recipe", changes)

    def to_toml(self) -> str:
        """Write the recipe as TOML, with every field that has a value."""
        return to_toml(self.to_table())

    def to_table(self) -> dict[str, Any]:
        """Return every field that has a value."""
        return {name: value for name, value in self.model_dump().items() if value not in (None, "", ())}

    # ------------------------------------------------------------------------------------------------- schedules

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

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sides of the training crops, in the order in which the run takes them."""
        return (*self.progressive_sizes, self.size)

    @property
    def last_epoch(self) -> float:
        """The epoch that ends the run: the one given, or the schedule's end; infinite where there is neither."""
        return self.epochs or (math.inf if self.steps or self.minutes else self.stages[-1][1])

    def progress_after(self, steps: int, epochs: float, seconds: float) -> float:
        """Return how much of the run is done, from 0 to 1 at its end."""
        return max(
            steps / (self.steps or math.inf), epochs / self.last_epoch, seconds / 60 / (self.minutes or math.inf)
        )

    def size_at(self, progress: float) -> int:
        """Return the side of the crops at a progress from 0 to 1: each size has an equal part of the run."""
        return self.sizes[min(int(progress * len(self.sizes)), len(self.sizes) - 1)]

    def stage_at(self, epoch: float) -> Stage:
        """Return who learns at an epoch. Beyond the schedule's end, the last stage goes on."""
        return next((name for name, end in self.stages if epoch < end), self.stages[-1][0])

    def learning_at(self, epoch: float, step: int) -> Stage:
        """Return who learns at a step: the critic alone, where it takes several steps to one of both.

        Args:
            epoch: rounds through the data set so far.
            step: steps taken so far.
        """
        stage = self.stage_at(epoch)
        return "critic" if stage == "gan" and (step + 1) % self.critic_steps else stage

    def lr_factor(self, progress: float, step: int) -> float:
        """Return what the learning rates are multiplied by: it rises in the warm-up, is 1, and falls to 0 at the end.

        Args:
            progress: of the run, from 0 to 1.
            step: steps taken so far.
        """
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        if progress <= 1 - self.lr_decay:
            return rising
        left = (1 - progress) / self.lr_decay
        return rising * (left if self.lr_schedule == "linear" else (1 - math.cos(math.pi * left)) / 2)


def overlay(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's table with some fields changed.

    A duration, or a schedule, which has an end of its own, replaces all durations, whatever their unit; a size replaces
    the smaller ones before it, too; with another part, the summary is no longer true.
    """
    untrue = {"summary"} if set(PARTS) & changes.keys() else set()
    if any(name in changes for name in DURATIONS) or changes.get("schedule"):
        untrue |= set(DURATIONS)
    if "size" in changes:
        untrue.add("progressive_sizes")
    return {name: value for name, value in table.items() if name not in untrue} | dict(changes)


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
