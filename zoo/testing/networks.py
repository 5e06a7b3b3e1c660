"""Checks of generators and critics."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo.conditioning import Conditions, bare, blank_extras, filled_in, has_learn, names_taken, noise_of
from zoo.cost import measure
from zoo.data.picture import LabPicture
from zoo.errors import one_line
from zoo.networks import predict_chroma
from zoo.registry.contracts import Kind
from zoo.testing.graphs import KEPT, Graphs
from zoo.testing.subject import ContractError, Note, Subject, expect, names, noise, short
from zoo.training.guards import checked_judgement
from zoo.training.learning import colour_in_training, learned_through

_TOLERANCE = 1e-3
"""Batches of another size take other paths through a network's convolutions."""


def network_made(subject: Subject) -> str:
    """The factory makes a network that can learn."""
    network = subject.made
    expect(isinstance(network, nn.Module), f"what the factory returns ({type(network).__name__}) is no torch.nn.Module")
    count = sum(p.numel() for p in network.parameters() if p.requires_grad)
    expect(count, "it has no parameter that could learn")
    multiple = getattr(network, "multiple", 1)
    expect(isinstance(multiple, int) and multiple > 0, f"multiple is {multiple!r}: it must be a whole number above 0")
    about = f"{type(network).__name__} with {count:,} parameters" + f", multiple {multiple}" * (multiple > 1)
    if subject.kind == "critic":
        return about
    learns = ", learns by its own losses" * has_learn(network)
    return about + "".join(f", takes {name}" for name in names_taken(network)) + learns


def output_shapes(subject: Subject) -> str:
    """Several batches and sizes, odd ones too, give what they should."""
    size = subject.size
    network = subject.made.eval()
    unusual: list[str] = []
    for batch, height, width in ((2, size, size), (1, size, size), (2, size, 2 * size)):
        scales = _forward(subject, network, *noise(subject, batch, height, width))
        expect(scales, "it returns an empty list")
        unusual = [str(tuple(scale.shape)) for scale in scales if scale.ndim == 0 or len(scale) != batch]
    height, width = size - size // 4 + 2, size + size // 8 + 3
    try:
        _forward(subject, network, *noise(subject, 1, height, width))
    except Exception as error:
        # What a generator needs, `multiple` says; a critic sees training crops, which may all be even.
        if subject.kind == "generator":
            raise ContractError(f"fails on {width} × {height} pixels, an odd size: {one_line(error)}") from error
        return Note(f"refuses {width} × {height} pixels, an odd size: {one_line(error)}")
    if unusual:
        return Note(f"logits of shape {unusual[0]} for a batch of 2: the batch is usually their first dimension")
    last = ", ".join(str(tuple(scale.shape)) for scale in scales)
    return f"{last} for a batch of 2 at {2 * size} × {size} pixels; odd sizes and a batch of 1, too"


def precision(subject: Subject) -> str:
    """float32 gives float32, and bfloat16 autocast gives numbers."""
    network = subject.made.eval()
    side = subject.size + -subject.size % getattr(network, "multiple", 1)
    picture = noise(subject, 2, side, side)
    generator = subject.kind == "generator"
    filled = {}
    if generator:
        filled = filled_in(network, network.forward, picture[0], (side, side), _beside(network, *picture))
    with torch.no_grad():
        output = network(*(picture[:1] if generator else picture), **filled)
    plain = [output] if generator else checked_judgement(output, None).logits
    found = {str(scale.dtype) for scale in plain}
    expect(found == {"torch.float32"}, f"float32 input gives {names(sorted(found))}, expected torch.float32")
    half = _forward(subject, network, *picture, dtype=torch.bfloat16)
    expect(all(scale.is_floating_point() for scale in half), "under bfloat16 autocast it returns no floating point")
    expect(_finite(half), "under bfloat16 autocast it returns NaN or infinity")
    return "float32 and bfloat16 autocast"


def gradients(subject: Subject) -> str:
    """Gradients reach every parameter and, through a critic, the generator's colours."""
    network = subject.made.train()
    lightness, chroma = noise(subject, 2, subject.size, subject.size)
    chroma.requires_grad_(True)
    total = torch.stack(
        [scale.float().square().mean() for scale in _forward(subject, network, lightness, chroma)]
    ).sum()
    expect(total.requires_grad, "the output is cut off from the weights: no gradient can reach them")
    total.backward()  # type: ignore[no-untyped-call]
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    without = [name for name, p in learning.items() if p.grad is None]
    expect(
        not without,
        f"no gradient reaches {names(without)}: use them in forward, drop them, or requires_grad_(False)",
    )
    wild = [name for name, p in learning.items() if p.grad is not None and not p.grad.isfinite().all()]
    expect(not wild, f"the gradient of {names(wild)} is NaN or infinite")
    lifeless = _lifeless(subject, network)
    network.zero_grad()
    expect(
        len(lifeless) < len(learning),
        "all gradients are zero: the output does not depend on the weights, and nothing can be learned",
    )
    # A bias that a norm takes away again may have none.
    dead = [name for name in lifeless if learning[name].ndim > 1]
    if subject.kind == "critic":
        expect(
            chroma.grad is not None and chroma.grad.abs().sum() > 0,
            "no gradient reaches the chroma: a generator would learn nothing from it",
        )
    if dead:
        # It may be a ReLU that noise does not wake.
        return Note(f"the gradient of {names(dead)} is zero everywhere: can anything be learned there?")
    return f"reach all {len(learning)} parameters"


def _lifeless(subject: Subject, network: nn.Module) -> list[str]:
    """Return the parameters whose gradient is zero throughout, whatever the weights are.

    At its beginning, a network may well have layers that a zero behind them cuts off; so weights are tried that are
    a little different. A bias before a normalization may have no gradient at all.
    """
    lifeless = {name for name, p in network.named_parameters() if p.requires_grad and _is_zero(p.grad)}
    if not lifeless:
        return []
    other = subject.make().train()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    scales = _forward(subject, other, *noise(subject, 2, subject.size, subject.size))
    torch.stack([scale.float().square().mean() for scale in scales]).sum().backward()  # type: ignore[no-untyped-call]
    return [name for name, p in other.named_parameters() if name in lifeless and _is_zero(p.grad)]


def _is_zero(gradient: Tensor | None) -> bool:
    return gradient is None or not gradient.any()


def batch_independent(subject: Subject) -> str:
    """In evaluation, a picture comes to the same alone and among others."""
    network = subject.made.eval()
    # As unlike as pictures can be.
    share = torch.tensor([1.0, 0.1, 0.0], device=subject.device).view(3, 1, 1, 1)
    lightness, chroma = (share * part for part in noise(subject, 3, subject.size, subject.size))
    together = _forward(subject, network, lightness, chroma)
    unlike = 0.0
    for index in range(3):
        alone = _forward(subject, network, lightness[index : index + 1], chroma[index : index + 1])
        for one, all_ in zip(alone, together, strict=True):
            among = all_[index : index + 1] if all_.ndim else all_
            if one.shape != among.shape:
                return Note("its output has no row for each picture of a batch")
            unlike = max(unlike, float((one - among).norm() / among.norm().clamp_min(1e-6)))
    if unlike <= _TOLERANCE:
        return "in evaluation, a picture comes to the same alone and among others"
    if not _equal(together, _forward(subject, network, lightness, chroma, seed=1)):
        return Note("cannot be told: in evaluation, the same picture gives another result the second time")
    how = f"in evaluation, a picture alone comes to something else than among others ({unlike:.1%} off)"
    expect(
        subject.kind != "generator",
        f"{how}: what it computes over a batch, such as the statistics of a norm, it must only do in training",
    )
    return Note(how)


def graphs_released(subject: Subject) -> str:
    """Nothing of a step stays in memory after it."""
    network = subject.made.train()
    graphs, calls = Graphs(), 3
    for call in range(calls):
        lightness, chroma = noise(subject, 2, subject.size, subject.size)
        if subject.kind == "generator":
            scales = _forward(subject, network, graphs.mark(lightness, call), chroma)
        else:
            scales = _forward(subject, network, lightness, graphs.mark(chroma, call))
        torch.stack([scale.float().mean() for scale in scales]).sum().backward()  # type: ignore[no-untyped-call]
        del scales
    network.zero_grad()
    expect(not graphs.alive, KEPT.format(alive=graphs.alive, calls=calls))
    return f"nothing of {calls} steps is kept"


def batch_of_one(subject: Subject) -> str:
    """Training on single pictures works, or it is known that it does not."""
    network = subject.made.train()
    try:
        _forward(subject, network, *noise(subject, 1, subject.size, subject.size))
    except Exception as error:
        return Note(f"cannot train on a batch of one: {short(one_line(error))}")
    return "can train on one picture at a time"


def extreme_input(subject: Subject) -> str:
    """Nothing becomes NaN or infinite, whatever the picture."""
    size = subject.size
    grey = torch.zeros(2, 2, size, size, device=subject.device)
    network = subject.make()
    for name, lightness, chroma in (
        ("all black", torch.full_like(grey[:, :1], -1), grey),
        ("all white", torch.full_like(grey[:, :1], 1), grey),
        ("noise", *noise(subject, 2, size, size)),
    ):
        for training in (True, False):
            scales = _forward(subject, network.train(training), lightness, chroma)
            where = "training" if training else "evaluation"
            expect(_finite(scales), f"a picture that is {name} gives NaN or infinity in {where}")
    return "all black, all white and noise give numbers"


def deterministic(subject: Subject) -> str:
    """The same seed gives the same result, in training too; in evaluation, without a seed."""
    picture = noise(subject, 2, subject.size, subject.size)
    first, second = (_forward(subject, subject.make().train(), *picture) for _ in range(2))
    expect(
        _equal(first, second),
        "two networks of the same seed differ: draw every random number from torch's own generator",
    )
    network = subject.made.eval()
    # Not the same seed: what is random in training must not be so here.
    first, second = (_forward(subject, network, *picture, seed=seed) for seed in (0, 1))
    expect(
        _equal(first, second),
        "in evaluation, the same picture gives another result the second time: switch off what is random, such as "
        "dropout, where self.training is False, and draw noise by a parameter `noise` of forward",
    )
    return "the same seed gives the same result, bit for bit"


def saved_and_restored(subject: Subject) -> str:
    """The weights travel through safetensors into a network that was made anew."""
    network = subject.made.eval()
    # Cloning takes apart tensors that share memory, which the format has no way to say.
    weights = load(save({name: value.cpu().contiguous().clone() for name, value in network.state_dict().items()}))
    other = subject.make(seed=1, restoring=True).eval()
    own = other.state_dict()
    wrong = [name for name in own if name not in weights or own[name].shape != weights[name].shape]
    expect(not wrong, f"the same options made other shapes: {names(wrong)}")
    other.load_state_dict(weights)
    picture = noise(subject, 2, subject.size, subject.size)
    expect(
        _equal(_forward(subject, network, *picture), _forward(subject, other, *picture)),
        "restored, it gives another result: something that it depends on is not in its state_dict",
    )
    return f"{len(weights)} tensors, through safetensors; the same result"


def copied(subject: Subject) -> str:
    """A deep copy is as good: the moving average of the weights is one."""
    network = subject.made.eval()
    picture = noise(subject, 2, subject.size, subject.size)
    expect(
        _equal(_forward(subject, network, *picture), _forward(subject, copy.deepcopy(network), *picture)),
        "a deep copy gives another result",
    )
    return "a deep copy gives the same result"


def unbounded(subject: Subject) -> str:
    """Neither a sigmoid nor a tanh ends the network."""
    network = subject.make().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(100)
    lightness, chroma = noise(subject, 2, subject.size, subject.size)
    scales = _forward(subject, network, 1000 * lightness, 1000 * chroma)
    # NaN is beyond any bound, too.
    if not all((scale.abs() <= 1).all() for scale in scales):
        return "no sigmoid and no tanh at the end"
    bounded = "everything stays within [-1, 1] however large the weights: leave out the sigmoid or tanh at the end"
    expect(subject.kind != "critic", bounded + "; the losses do that")
    return Note(bounded + ", whose slope vanishes at saturated colours")


def compiled(subject: Subject) -> str:
    """torch.compile can take it, or it is known why not."""
    network = subject.made.eval()
    picture = noise(subject, 2, subject.size, subject.size)
    wanted = _forward(subject, network, *picture, own_noise=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Traced and run by torch itself: a C++ compiler is not needed, and not waited for.
            fast = torch.compile(network, backend="aot_eager", fullgraph=True)
            found = _forward(subject, fast, *picture, own_noise=False)
    except Exception as error:
        return Note(f"torch.compile cannot make one graph of it: {short(one_line(error))}")
    finally:
        torch.compiler.reset()
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(wanted, found, strict=True)):
        return Note("torch.compile gives another result")
    return "torch.compile makes one graph of it"


def cost(subject: Subject) -> str:
    """What it takes: reported, not judged."""
    lightness, chroma = noise(subject, 1, subject.size, subject.size)
    found = measure(subject.made, lambda: FORWARD[subject.kind](subject.made, lightness, chroma, torch.float32))
    return Note(
        f"{found.parameters / 1e6:.2f} M parameters; per picture of {subject.size} × {subject.size}: "
        f"{found.seconds * 1000:.1f} ms forward, {found.kept / 2**20:.1f} MiB of activations kept for training"
    )


def _colour(
    network: Any, lightness: Tensor, chroma: Tensor, dtype: torch.dtype, own_noise: bool = True
) -> list[Tensor]:
    """Colour as training does, or validation; what it takes beside lightness is the same for the same picture."""
    conditions = _beside(network, lightness, chroma, own_noise)
    if not network.training:
        return [predict_chroma(network, lightness, dtype, conditions)]
    real = LabPicture(lightness, chroma)
    learned, losses = colour_in_training(learned_through(network), real, dtype, conditions)
    # Of a network that gradients cannot get through, they are the losses' alone.
    return [*([learned] if learned.requires_grad or not losses else []), *losses.values()]


def _beside(network: Any, lightness: Tensor, chroma: Tensor, own_noise: bool = True) -> Conditions:
    """Make what a generator takes: noise that is the picture's own, or from torch's global state; hints and extras."""
    network = bare(network)
    middle = [side // 2 for side in lightness.shape[2:]]
    hints = torch.cat([torch.zeros_like(lightness), torch.zeros_like(chroma)], 1)
    hints[:, 0, middle[0], middle[1]] = 1
    hints[:, 1:, middle[0], middle[1]] = chroma[:, :, middle[0], middle[1]].detach()
    noise = noise_of(lightness.detach()) if own_noise else None
    return Conditions(noise, hints, blank_extras(network, lightness.detach()))


def _judge(
    network: Any,
    lightness: Tensor,
    chroma: Tensor,
    dtype: torch.dtype,
    own_noise: bool = True,  # noqa: ARG001
) -> list[Tensor]:
    with torch.autocast(lightness.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        logits = network(lightness, chroma)
    return checked_judgement(logits, None).logits


FORWARD: dict[Kind, Callable[..., list[Tensor]]] = {
    "generator": _colour,
    "critic": _judge,
}


def _forward(
    subject: Subject,
    network: Any,
    lightness: Tensor,
    chroma: Tensor,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    own_noise: bool = True,
) -> list[Tensor]:
    """Run a network as a training would, on a random state of its own; only in training are gradients kept."""
    torch.manual_seed(seed)
    with torch.set_grad_enabled(network.training):
        return FORWARD[subject.kind](network, lightness, chroma, dtype, own_noise)


def _finite(scales: Sequence[Tensor]) -> bool:
    return all(bool(scale.isfinite().all()) for scale in scales)


def _equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
