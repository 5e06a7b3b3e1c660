"""Checks of losses: over pictures, and over a critic's logits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.data.picture import LabPicture
from zoo.registry.contracts import Step
from zoo.registry.made import asked_for
from zoo.testing.graphs import KEPT, Graphs
from zoo.testing.subject import ContractError, Note, Subject, expect, names, noise, pictures
from zoo.training.objective import kept_of

_SIDES = ("critic", "generator")
_MANY = 10_000
"""Numbers of a loss that somebody may have forgotten to freeze."""


def loss_made(subject: Subject) -> str:
    """The factory makes a loss of the kind that it is registered as."""
    loss, component = subject.made, subject.component
    adversarial = is_adversarial(loss)
    expect(
        adversarial or callable(loss),
        f"what the factory returns ({type(loss).__name__}) is no loss: it can neither be called with (fake, real) "
        "pictures, nor has it the methods critic(real, fake) and generator(fake) of an adversarial one",
    )
    if component is not None:
        expect(
            component.adversarial == adversarial,
            "it has the methods of an adversarial loss: register it with adversarial=True"
            if adversarial
            else "it is registered with adversarial=True, but lacks the methods critic(real, fake) and generator(fake)",
        )
    return "an adversarial loss, over logits" if adversarial else "a loss over pictures"


def scalar(subject: Subject) -> str:
    """A finite scalar comes back."""
    real = pictures(size=subject.size, device=subject.device)
    start = time.perf_counter()
    value = _compare(subject, real, 0.5 * real.chroma)[0]
    milliseconds = (time.perf_counter() - start) * 1000
    return f"{value:.4g} against half the colour; {milliseconds:.1f} ms with gradients, two pictures"


def gradients_of_fake(subject: Subject) -> str:
    """Gradients reach the fake, and nothing else."""
    real = pictures(size=subject.size, device=subject.device)
    gradient = _compare(subject, real, 0.5 * real.chroma)[1]
    expect(gradient.abs().sum() > 0, "no gradient reaches the fake's chroma: the generator would learn nothing")
    own = _learned(subject, "it")
    count = sum(parameter.numel() for parameter in own.values())
    text = f"reach the fake's chroma and {names(list(own))}, trained with the generator" if own else ""
    if count > _MANY:
        return Note(f"{text}: {count:,} numbers; if they are not meant to be, requires_grad_(False)")
    return text or "reach the fake's chroma alone"


def identical_pictures(subject: Subject) -> str:
    """The original itself costs nothing, or at least no more than another picture."""
    real = pictures(size=subject.size, device=subject.device)
    same, other = (float(_compare(subject, real, factor * real.chroma)[0]) for factor in (1.0, 0.5))
    if abs(same) <= 1e-4 * max(1.0, abs(other)):
        return f"{same:.2g} for the original itself"
    if same <= other:
        return Note(f"{same:.4g} for the original itself, {other:.4g} for half its colour")
    return Note(f"the original itself costs more ({same:.4g}) than half its colour ({other:.4g})")


def extreme_pictures(subject: Subject) -> str:
    """Value and gradient are numbers, whatever the pictures."""
    real = pictures(size=subject.size, device=subject.device)
    colours = noise(subject, 2, subject.size, subject.size)[1]
    for name, original, chroma in (
        ("the original itself", real, real.chroma),
        ("no colour at all", real, 0 * real.chroma),
        ("colours of noise", real, 5 * colours),
        *(
            (f"a picture that is {word}", LabPicture(torch.full_like(real.lightness, level), 0 * real.chroma), colours)
            for word, level in (("all black", -1.0), ("all white", 1.0))
        ),
    ):
        try:
            _compare(subject, original, chroma)
        except ContractError as error:
            raise ContractError(f"{name}: {error}") from None
    return "the original itself, black, white, grey and noise give numbers"


def deterministic_loss(subject: Subject) -> str:
    """The same seed gives the same loss."""
    real = pictures(size=subject.size, device=subject.device)
    first, second = (_compare(subject, real, 0.5 * real.chroma, loss=subject.make())[0] for _ in range(2))
    expect(torch.equal(first, second), f"two losses of the same seed differ: {first:.6g} and {second:.6g}")
    return "the same seed gives the same value, bit for bit"


def repeated_calls(subject: Subject) -> str:
    """The same pictures, or logits, cost the same however often they are shown."""
    loss, calls = subject.make(), 5
    if is_adversarial(loss):
        real, fake = (torch.full((2, 1, 4, 4), level, device=subject.device) for level in (0.5, -0.5))
        found = [_sides(subject, real, fake, loss=loss) for _ in range(calls)]
        series = {f"{side}(…)": [float(pair[place]) for pair in found] for place, side in enumerate(_SIDES)}
    else:
        picture = pictures(size=subject.size, device=subject.device)
        series = {"it": [float(_compare(subject, picture, 0.5 * picture.chroma, loss)[0]) for _ in range(calls)]}
    changed = ""
    for what, values in series.items():
        steps = [after - before for before, after in pairwise(values)]
        words = f"{what} is {values[0]:.4g} at the first call and {values[-1]:.4g} at call {calls} of the same"
        slack = 1e-4 * max(map(abs, values))
        kept = isinstance(loss, nn.Module) and _goes_on_from_what_is_kept(subject, loss)
        grows = all(step > slack for step in steps)
        expect(kept or not grows, f"{words}: it grows with each call; nothing of one call may be added up in the next")
        if any(abs(step) > slack for step in steps):
            if kept and not grows:
                return f"{words}, and goes on from the buffers that checkpoints keep"
            changed = f"{words}: " + (
                "it grows with each call, by buffers that checkpoints keep"
                if kept
                else "a run that is resumed begins anew with what it remembers"
            )
    return Note(changed) if changed else f"the same at {calls} calls of the same"


def restored(subject: Subject) -> str:
    """What it learned and counted comes back from a checkpoint."""
    loss = subject.make()
    if not isinstance(loss, nn.Module):
        return "no module: it has nothing to keep"
    if not kept_of(loss):
        return "nothing to keep"
    _value(subject, loss)
    expect(
        _goes_on_from_what_is_kept(subject, loss),
        "restored, it gives another value: what it depends on must be in buffers, written to in place, or in "
        "parameters that have requires_grad; frozen ones must always be made the same",
    )
    return f"{names(list(kept_of(loss)))}: the same value from there"


def _goes_on_from_what_is_kept(subject: Subject, loss: nn.Module) -> bool:
    other = subject.make(seed=1, restoring=True)
    kept, own = kept_of(loss), kept_of(other)
    wrong = [name for name in kept.keys() | own.keys() if name not in kept or name not in own]
    wrong += [name for name in kept.keys() & own.keys() if kept[name].shape != own[name].shape]
    expect(not wrong, f"made with restoring=True, it has other tensors, or of other shapes: {names(sorted(wrong))}")
    for name, value in kept.items():
        own[name].copy_(value)
    return torch.equal(_value(subject, loss), _value(subject, other))


def _value(subject: Subject, loss: Any) -> Tensor:
    """Return what a loss makes of always the same: the sum of both sides of an adversarial one."""
    if not is_adversarial(loss):
        picture = pictures(size=subject.size, device=subject.device)
        return _compare(subject, picture, 0.5 * picture.chroma, loss)[0]
    real, fake = (torch.full((2, 1, 4, 4), level, device=subject.device) for level in (0.5, -0.5))
    return torch.stack(_sides(subject, real, fake, loss=loss)).sum()


def steps(subject: Subject) -> str:
    """At the first step, in the middle and at the end of a run it gives numbers."""
    methods = [getattr(subject.made, side, None) for side in _SIDES] if is_adversarial(subject.made) else [subject.made]
    if not any(asked_for(method, {"step": None}) for method in methods if method is not None):
        return "does not ask for the step"
    values = []
    for number, progress in ((0.0, 0.0), (5e3, 0.5), (1e6, 1.0)):
        try:
            values.append(float(_value(replace(subject, clock=(number, progress)), subject.make())))
        except ContractError as error:
            raise ContractError(f"at progress {progress:g}, step {number:g}: {error}") from None
    return f"{values[0]:.4g} at the start, {values[1]:.4g} in the middle and {values[2]:.4g} at the end of a run"


def graphs_released(subject: Subject) -> str:
    """Nothing of a step stays in memory after it."""
    graphs, calls = Graphs(), 3
    for call in range(calls):
        if is_adversarial(subject.made):
            real, fake = (torch.full((2, 1, 4, 4), level, device=subject.device) for level in (0.5, -0.5))
            for side, logits in (("critic", (real, fake)), ("generator", (fake,))):
                _called(subject, getattr(subject.made, side), *(graphs.mark(one, call) for one in logits)).backward()
        else:
            picture = pictures(size=subject.size, device=subject.device)
            fake_chroma = graphs.mark(0.5 * picture.chroma, call)
            _called(subject, subject.made, LabPicture(picture.lightness, fake_chroma), picture).backward()
            del fake_chroma, picture
    expect(not graphs.alive, KEPT.format(alive=graphs.alive, calls=calls))
    return f"nothing of {calls} steps is kept"


def sides(subject: Subject) -> str:
    """Both sides are finite scalars, for logits of any shape, and gradients reach the logits."""
    for side in _SIDES:
        # Where a hinge is, one side of it has no slope; so not only one logit.
        logits = torch.linspace(-0.9, 0.9, 32, device=subject.device).view(2, 1, 4, 4)
        leaves = [logits.clone().requires_grad_(True) for _ in range(2 if side == "critic" else 1)]
        value = _called(subject, getattr(subject.made, side), *leaves)
        _expect_scalar(value, f"{side}(…)")
        expect(value.requires_grad, f"{side}(…) is cut off from the logits: no gradient can reach them")
        if isinstance(subject.made, nn.Module):
            subject.made.zero_grad()
        value.backward()
        if side == "generator":
            _learned(subject, "generator(…)")
        expect(
            all(leaf.grad is not None and leaf.grad.any() for leaf in leaves),
            f"the gradient of {side}(…) is zero, whatever the logits are: nothing can be learned from it",
        )
    for shape in ((2,), (2, 1, 4, 4)):
        real, fake = (torch.full(shape, level, device=subject.device) for level in (0.5, -0.5))
        values = _sides(subject, real, fake)
    return f"critic {values[0]:.4g}, generator {values[1]:.4g} for logits of 0.5 and -0.5"


def signs(subject: Subject) -> str:
    """Better logits, smaller loss."""
    high, low = (torch.full((2, 1, 4, 4), level, device=subject.device) for level in (0.5, -0.5))
    right, displeased = _sides(subject, high, low)
    wrong, pleased = _sides(subject, low, high)
    expect(
        right < wrong,
        f"the critic's side is {right:.4g} where it is right and {wrong:.4g} where it is wrong: it must be the other "
        "way round (larger logits mean more like an original)",
    )
    expect(
        pleased < displeased,
        f"the generator's side is {pleased:.4g} where its pictures pass and {displeased:.4g} where they don't: it must "
        "be the other way round (larger logits mean more like an original)",
    )
    return "better logits, smaller loss, on both sides"


def bfloat16_logits(subject: Subject) -> str:
    """Logits come in bfloat16 where a critic runs under autocast."""
    plain = [torch.linspace(low, low + 1, 32, device=subject.device).view(2, 1, 4, 4) for low in (-0.2, -0.8)]
    wanted = _sides(subject, *plain)
    found = _sides(subject, *(logits.bfloat16() for logits in plain))
    off = max(abs(float(a) - float(b)) / max(1.0, abs(float(a))) for a, b in zip(wanted, found, strict=True))
    if off > 0.02:
        return Note(f"off by {off:.1%} in bfloat16: compute in float32, as in logits.float()")
    return "close to float32"


def extreme_logits(subject: Subject) -> str:
    """A critic that is very sure gives numbers."""
    for level in (0.0, 100.0, -100.0):
        logits = torch.full((2, 1, 4, 4), level, device=subject.device)
        try:
            _sides(subject, logits, -logits)
        except ContractError as error:
            raise ContractError(f"logits of {level:g} and {-level:g}: {error}") from None
    return "logits of 0, 100 and -100 give numbers"


def penalty(subject: Subject) -> str:
    """What it takes from the critic because of its gradients, if anything, teaches the critic."""
    if not hasattr(subject.made, "penalty"):
        return "none"
    every = getattr(subject.made, "penalty_every", 1)
    expect(
        isinstance(every, int) and every >= 0,
        f"penalty_every is {every!r}: it must be a whole number of steps, or 0 for no penalty",
    )
    if not every:
        return "switched off by these options"
    torch.manual_seed(0)
    critic = _Curved().to(subject.device)
    real = pictures(size=subject.size, device=subject.device)
    fake = LabPicture(real.lightness, 0.5 * real.chroma)
    value = _called(subject, subject.made.penalty, critic, real, fake)
    _expect_scalar(value, "penalty(…)")
    expect(value.requires_grad, "penalty(…) is cut off from the critic: compute gradients with create_graph=True")
    value.backward()
    gradients = [p.grad for p in critic.parameters() if p.grad is not None]
    expect(gradients, "no gradient of penalty(…) reaches the critic's weights")
    expect(all(gradient.isfinite().all() for gradient in gradients), "the gradient of penalty(…) is NaN or infinite")
    return f"{value.detach():.4g} for a critic of two layers; at every {every}. step"


class _Curved(nn.Module):
    """The smallest critic whose gradient depends on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 1, 3))

    def forward(self, lightness: Tensor, chroma: Tensor) -> Tensor:
        logits: Tensor = self.layers(torch.cat([lightness, chroma], dim=1))
        return logits


def is_adversarial(loss: object) -> bool:
    """Whether a loss has the two methods of one over logits."""
    return all(callable(getattr(loss, side, None)) for side in _SIDES)


def _compare(subject: Subject, real: LabPicture, chroma: Tensor, loss: Any = None) -> tuple[Tensor, Tensor]:
    """Compare a fake of this chroma with a real picture: the loss, and its gradient at the chroma."""
    torch.manual_seed(0)
    chroma = chroma.detach().clone().requires_grad_(True)
    # Pictures of its own, as in every step of a training: they remember what was computed of them.
    fake, real = LabPicture(real.lightness, chroma), LabPicture(real.lightness, real.chroma)
    value = _called(subject, subject.made if loss is None else loss, fake, real)
    _expect_scalar(value, "it")
    expect(value.requires_grad, "the loss is cut off from the fake: no gradient can reach it")
    value.backward()
    gradient = torch.zeros_like(chroma) if chroma.grad is None else chroma.grad
    expect(gradient.isfinite().all(), "the gradient is NaN or infinite")
    return value.detach(), gradient


def _sides(subject: Subject, real: Tensor, fake: Tensor, loss: Any = None) -> tuple[Tensor, Tensor]:
    """Return the critic's and the generator's side, after a look at their gradients."""
    torch.manual_seed(0)
    values = []
    for side, logits in (("critic", (real, fake)), ("generator", (fake,))):
        leaves = [scale.detach().clone().requires_grad_(True) for scale in logits]
        # What was a right answer for the one side is what the other has to be compared with.
        value = _called(subject, getattr(subject.made if loss is None else loss, side), *leaves, original=real)
        _expect_scalar(value, f"{side}(…)")
        expect(value.requires_grad, f"{side}(…) is cut off from the logits: no gradient can reach them")
        value.backward()
        wild = any(leaf.grad is not None and not leaf.grad.isfinite().all() for leaf in leaves)
        expect(not wild, f"the gradient of {side}(…) is NaN or infinite")
        values.append(value.detach())
    return values[0], values[1]


def _called(subject: Subject, function: Callable[..., Any], *given: Any, original: Tensor | None = None) -> Any:
    """Call a loss, or a method of one, with what else it asks for, as a training would."""
    number, progress = torch.tensor(subject.clock, device=subject.device).unbind()
    if isinstance(given[0], Tensor):
        # Logits: features of inner layers have gradients to the same pictures.
        fake = given[-1]
        real = (-fake if original is None else original).detach().to(fake.dtype)
        seen = [[one, one.square()] for one in (fake, real)]
        offered = {"step": Step(number, progress, *seen)} | ({"real": real} if len(given) == 1 else {})
    else:
        fake, real = given[-2:] if isinstance(given[0], LabPicture) else (given[2], given[1])
        seen = [[one.chroma, F.avg_pool2d(one.chroma, 2)] for one in (fake, real)]
        offered = {"step": Step(number, progress, *seen)}
    return function(*given, **asked_for(function, offered))


def _learned(subject: Subject, what: str) -> dict[str, nn.Parameter]:
    """Return the parameters that a loss would have trained, after a backward pass through it, by name."""
    if not isinstance(subject.made, nn.Module):
        return {}
    own = {name: p for name, p in subject.made.named_parameters() if p.requires_grad}
    idle = [name for name, p in own.items() if p.grad is None or not p.grad.any()]
    expect(
        not idle,
        f"no gradient of {what} reaches {names(idle)}, and nothing can be learned there: use them, or "
        "requires_grad_(False)",
    )
    subject.made.zero_grad()
    return own


def _expect_scalar(value: object, what: str) -> None:
    expect(isinstance(value, Tensor), f"{what} returns no tensor: {type(value).__name__}")
    assert isinstance(value, Tensor)
    expect(value.shape == (), f"{what} returns a tensor of shape {tuple(value.shape)}, expected a scalar, of shape ()")
    expect(value.isfinite(), f"{what} returns {float(value.detach())}, expected a finite number")
