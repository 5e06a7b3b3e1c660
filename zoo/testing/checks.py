"""What the contracts say, one function for each thing.

A check returns a sentence about what it found, or a `Note` where that is no failure but worth knowing; it raises
where the contract is broken. Whatever else it raises is the component's failure, too.
"""

from __future__ import annotations

import copy
import functools
import importlib.metadata
import inspect
import os
import pickle
import subprocess
import sys
import textwrap
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from zoo import registry
from zoo.contracts import Kind
from zoo.cost import measure
from zoo.data.picture import LabPicture
from zoo.errors import UsageError, ZooError
from zoo.model import predict_chroma
from zoo.options import as_text, check_options, filled_in, options_of
from zoo.plugins import GROUP, Component, one_line
from zoo.spec import Spec, parse
from zoo.testing import SIZE, Report, Result

HEAVY = ("torch", "torchvision", "timm", "numpy", "PIL")
"""What an entry module must not import."""
CPU = torch.device("cpu")
_LONGEST_SUMMARY = 70
_SMALLEST_PHOTO = 16


class Note(str):
    """Something found that is worth knowing, and no failure."""


@dataclass(frozen=True)
class Subject:
    """A component under test."""

    kind: Kind
    factory: Callable[..., Any]
    options: Mapping[str, Any]
    component: Component | None = None
    """None for a factory that no plugin registered."""
    device: torch.device = CPU
    size: int = SIZE

    def make(self, *, seed: int = 0, **offered: Any) -> Any:
        """Make one: the same seed makes the same one."""
        torch.manual_seed(seed)
        offered = {"size": self.size, "restoring": True, "split": "train", **offered}
        made = self.factory(**self.options, **filled_in(self.factory, self.kind, offered))
        return made.to(self.device) if isinstance(made, nn.Module) else made

    @functools.cached_property
    def made(self) -> Any:
        """One for all checks that leave its weights as they are."""
        return self.make()


Check: TypeAlias = Callable[[Subject], str]


def subject_of(component: Component, options: Mapping[str, str], device: torch.device, size: int) -> Subject:
    """Return a registered component as a subject, with options as typed.

    Raises:
        UsageError: an option is unknown, missing or of another type.
        ZooError: its module cannot be imported.
    """
    factory = component.factory()
    values = check_options(factory, component.kind, options, str(component))
    return Subject(component.kind, factory, values, component, device, size)


def report(spec: str, subject: Subject) -> Report:
    """Run all checks of a subject."""
    source = f"plugin {subject.component.plugin}" if subject.component else subject.factory.__module__
    return Report(subject.kind, spec, source, run(subject))


def report_on(kind: Kind, component: str | Callable[..., Any], options: Mapping[str, Any]) -> Report:
    """Check one component, given by name or by its factory. See `zoo.testing.check_generator`."""
    if not isinstance(component, str):
        return report(getattr(component, "__name__", str(component)), Subject(kind, component, options))
    if options:
        raise UsageError(f"write the options into the text, as in {component}:{next(iter(options))}=…")
    known = registry.get()
    spec = known.read(kind, component)
    return report(str(spec), subject_of(known.find(kind, spec.name), spec.options, CPU, SIZE))


def report_on_default(component: Component, device: torch.device, size: int) -> Report:
    """Check one of a plugin's components with its default options, as far as it has them."""
    try:
        return report(component.name, subject_of(component, {}, device, size))
    except UsageError as error:
        result = Result("options", "noted", f"not tried: {error}")
    except ZooError as error:
        result = Result("import", "failed", str(error))
    return Report(component.kind, component.name, f"plugin {component.plugin}", [result])


def pictures(*, batch: int = 2, size: int = SIZE, seed: int = 0, device: str | torch.device = "cpu") -> LabPicture:
    """Return smooth, colourful pictures, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, (size, size), mode="bilinear", align_corners=True)
    return LabPicture.of_photos((smooth * 255).round().to(torch.uint8).to(device))


def run(subject: Subject, leave_out: Sequence[Check] = ()) -> list[Result]:
    """Run all checks of a component's contract. Where it cannot be made, the rest is not tried."""
    checks = [*FACTORY, *(REGISTERED if subject.component else ())]
    with torch.random.fork_rng([subject.device] if subject.device.type == "cuda" else []):
        results = [_try(check, subject) for check in checks]
        made, *others = CONTRACTS[subject.kind]
        results.append(_try(made, subject))
        if results[-1].verdict != "failed":
            if subject.kind == "loss" and _is_adversarial(subject.made):
                others = list(ADVERSARIAL)
            results += [_try(check, subject) for check in others if check not in leave_out]
    return results


def _try(check: Check, subject: Subject) -> Result:
    name = check.__name__.replace("_", " ")
    try:
        message = check(subject)
    except (AssertionError, ZooError) as error:
        return Result(name, "failed", _short(str(error) or one_line(error)))
    except (Exception, SystemExit) as error:
        return Result(name, "failed", _short(one_line(error)) + _place(error, subject.factory))
    return Result(name, "noted" if isinstance(message, Note) else "passed", message)


def _place(error: BaseException, factory: Callable[..., Any]) -> str:
    """Say where in the component's own file it happened: " (critic.py, line 12)"."""
    file = inspect.unwrap(factory).__code__.co_filename if inspect.isfunction(factory) else None
    if inspect.isclass(factory):
        file = inspect.getsourcefile(factory)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({os.path.basename(lines[-1].filename)}, line {lines[-1].lineno})" if lines else ""  # noqa: PTH119


def _short(text: str) -> str:
    return textwrap.shorten(text, 300, placeholder=" …")


def _expect(truth: object, otherwise: str) -> None:
    if not truth:
        raise AssertionError(otherwise)


def _names(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# ------------------------------------------------------------------------------------------------- every kind


def docstring(subject: Subject) -> str:
    """The factory says what it makes."""
    text = (subject.factory.__doc__ or "").strip()
    _expect(text, "the factory has no docstring: `zoo show` has nothing to say of it")
    return text.splitlines()[0]


def options_described(subject: Subject) -> str:
    """Every option has a type, and a line in the docstring."""
    options = options_of(subject.factory, subject.kind)
    parameters = inspect.signature(subject.factory).parameters
    bare = [option.name for option in options if parameters[option.name].annotation is inspect.Parameter.empty]
    _expect(not bare, f"no annotation says the type of {_names(bare)}: write {(bare or [''])[0]}: int, or what it is")
    mute = [option.name for option in options if not option.description]
    _expect(not mute, f"no line under `Args:` in the factory's docstring describes {_names(mute)}")
    return f"{len(options)}: {', '.join(option.name for option in options)}" if options else "it has none"


def options_round_trip(subject: Subject) -> str:
    """Every default, and what was given, can be typed and means the same."""
    parameters = inspect.signature(subject.factory).parameters
    values = {
        option.name: subject.options.get(option.name, parameters[option.name].default)
        for option in options_of(subject.factory, subject.kind)
    }
    texts = {name: as_text(value) for name, value in values.items() if value is not inspect.Parameter.empty}
    if not texts:
        return "nothing to type"
    typed = str(Spec("component", texts))
    read = check_options(subject.factory, subject.kind, parse(typed).options, "typed back")
    for name, text in texts.items():
        _expect(as_text(read[name]) == text, f"{name}={text} is read as {as_text(read[name])}")
    return f"read as typed: {typed.partition(':')[2]}"


def summary(subject: Subject) -> str:
    """The line of `zoo list` is there and fits."""
    assert subject.component
    text = subject.component.summary
    _expect(text.strip(), "the summary is empty: `zoo list` has nothing to say of it")
    if len(text) > _LONGEST_SUMMARY:
        return Note(f"{len(text)} characters are long for a line of `zoo list`: {_LONGEST_SUMMARY} fit")
    return text


def light_entry(subject: Subject) -> str:
    """The entry module imports nothing heavy, so that `zoo list` stays fast."""
    assert subject.component
    component = subject.component
    modules = [
        entry.module
        for entry in importlib.metadata.entry_points(group=GROUP, name=component.plugin)
        if entry.dist is None or entry.dist.name == component.distribution
    ]
    _expect(modules, f"the plugin {component.plugin} has no entry point of the group {GROUP}")
    heavy = _imported_by(modules[0])
    _expect(
        not heavy,
        f"{modules[0]} imports {_names(heavy)}, which every `zoo list` would wait for: "
        "import only zoo there, and name the component by its import string",
    )
    return f"{modules[0]} imports nothing heavy"


@functools.cache
def _imported_by(module: str) -> list[str]:
    """Import a module in a fresh interpreter; return what is heavy of all that came with it."""
    script = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    _expect(done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout.split()


# ------------------------------------------------------------------------------------------------- networks


def network_made(subject: Subject) -> str:
    """The factory makes a network that can learn."""
    network = subject.made
    _expect(
        isinstance(network, nn.Module), f"what the factory returns ({type(network).__name__}) is no torch.nn.Module"
    )
    count = sum(p.numel() for p in network.parameters() if p.requires_grad)
    _expect(count, "it has no parameter that could learn")
    multiple = getattr(network, "multiple", 1)
    _expect(isinstance(multiple, int) and multiple > 0, f"multiple is {multiple!r}: it must be a whole number above 0")
    return f"{type(network).__name__} with {count:,} parameters" + f", multiple {multiple}" * (multiple > 1)


def output_shapes(subject: Subject) -> str:
    """Several batches and sizes, odd ones too, give what they should."""
    size = subject.size
    network = subject.made.eval()
    unusual: list[str] = []
    for batch, height, width in ((2, size, size), (1, size, size), (2, size, 2 * size)):
        scales = _forward(subject, network, *_input(subject, batch, height, width))
        _expect(scales, "it returns an empty list")
        unusual = [str(tuple(scale.shape)) for scale in scales if scale.ndim == 0 or len(scale) != batch]
    height, width = size - size // 4 + 2, size + size // 8 + 3
    try:
        _forward(subject, network, *_input(subject, 1, height, width))
    except Exception as error:
        # What a generator needs, `multiple` says; a critic sees training crops, which may all be even.
        if subject.kind == "generator":
            raise AssertionError(f"fails on {width} × {height} pixels, an odd size: {one_line(error)}") from error
        return Note(f"refuses {width} × {height} pixels, an odd size: {one_line(error)}")
    if unusual:
        return Note(f"logits of shape {unusual[0]} for a batch of 2: the batch is usually their first dimension")
    last = ", ".join(str(tuple(scale.shape)) for scale in scales)
    return f"{last} for a batch of 2 at {2 * size} × {size} pixels; odd sizes and a batch of 1, too"


def precision(subject: Subject) -> str:
    """float32 gives float32, and bfloat16 autocast gives numbers."""
    network = subject.made.eval()
    side = subject.size + -subject.size % getattr(network, "multiple", 1)
    picture = _input(subject, 2, side, side)
    arguments = picture[:1] if subject.kind == "generator" else picture
    with torch.no_grad():
        plain = network(*arguments)
    found = {str(scale.dtype) for scale in ([plain] if isinstance(plain, Tensor) else plain)}
    _expect(found == {"torch.float32"}, f"float32 input gives {_names(sorted(found))}, expected torch.float32")
    half = _forward(subject, network, *picture, dtype=torch.bfloat16)
    _expect(all(scale.is_floating_point() for scale in half), "under bfloat16 autocast it returns no floating point")
    _expect(_finite(half), "under bfloat16 autocast it returns NaN or infinity")
    return "float32 and bfloat16 autocast"


def gradients(subject: Subject) -> str:
    """Gradients reach every parameter and, through a critic, the generator's colours."""
    network = subject.made.train()
    lightness, chroma = _input(subject, 2, subject.size, subject.size)
    chroma.requires_grad_(True)
    total = torch.stack(
        [scale.float().square().mean() for scale in _forward(subject, network, lightness, chroma)]
    ).sum()
    _expect(total.requires_grad, "the output is cut off from the weights: no gradient can reach them")
    total.backward()  # type: ignore[no-untyped-call]
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    without = [name for name, p in learning.items() if p.grad is None]
    _expect(
        not without,
        f"no gradient reaches {_names(without)}: use them in forward, drop them, or requires_grad_(False)",
    )
    wild = [name for name, p in learning.items() if p.grad is not None and not p.grad.isfinite().all()]
    _expect(not wild, f"the gradient of {_names(wild)} is NaN or infinite")
    network.zero_grad()
    if subject.kind == "critic":
        _expect(
            chroma.grad is not None and chroma.grad.abs().sum() > 0,
            "no gradient reaches the chroma: a generator would learn nothing from it",
        )
    return f"reach all {len(learning)} parameters"


def batch_of_one(subject: Subject) -> str:
    """Training on single pictures works, or it is known that it does not."""
    network = subject.made.train()
    try:
        _forward(subject, network, *_input(subject, 1, subject.size, subject.size))
    except Exception as error:
        return Note(f"cannot train on a batch of one: {_short(one_line(error))}")
    return "can train on one picture at a time"


def extreme_input(subject: Subject) -> str:
    """Nothing becomes NaN or infinite, whatever the picture."""
    size = subject.size
    grey = torch.zeros(2, 2, size, size, device=subject.device)
    network = subject.make()
    for name, lightness, chroma in (
        ("all black", torch.full_like(grey[:, :1], -1), grey),
        ("all white", torch.full_like(grey[:, :1], 1), grey),
        ("noise", *_input(subject, 2, size, size)),
    ):
        for training in (True, False):
            scales = _forward(subject, network.train(training), lightness, chroma)
            where = "training" if training else "evaluation"
            _expect(_finite(scales), f"a picture that is {name} gives NaN or infinity in {where}")
    return "all black, all white and noise give numbers"


def deterministic(subject: Subject) -> str:
    """The same seed gives the same result, in training too; in evaluation, without a seed."""
    picture = _input(subject, 2, subject.size, subject.size)
    first, second = (_forward(subject, subject.make().train(), *picture) for _ in range(2))
    _expect(
        _equal(first, second),
        "two networks of the same seed differ: draw every random number from torch's own generator",
    )
    network = subject.made.eval()
    first, second = (_forward(subject, network, *picture) for _ in range(2))
    _expect(_equal(first, second), "in evaluation, the same picture gives another result the second time")
    return "the same seed gives the same result, bit for bit"


def saved_and_restored(subject: Subject) -> str:
    """The weights travel through safetensors into a network that was made anew."""
    network = subject.made.eval()
    # Cloning takes apart tensors that share memory, which the format has no way to say.
    weights = load(save({name: value.cpu().contiguous().clone() for name, value in network.state_dict().items()}))
    other = subject.make(seed=1, restoring=True).eval()
    own = other.state_dict()
    wrong = [name for name in own if name not in weights or own[name].shape != weights[name].shape]
    _expect(not wrong, f"the same options made other shapes: {_names(wrong)}")
    other.load_state_dict(weights)
    picture = _input(subject, 2, subject.size, subject.size)
    _expect(
        _equal(_forward(subject, network, *picture), _forward(subject, other, *picture)),
        "restored, it gives another result: something that it depends on is not in its state_dict",
    )
    return f"{len(weights)} tensors, through safetensors; the same result"


def copied(subject: Subject) -> str:
    """A deep copy is as good: the moving average of the weights is one."""
    network = subject.made.eval()
    picture = _input(subject, 2, subject.size, subject.size)
    _expect(
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
    lightness, chroma = _input(subject, 2, subject.size, subject.size)
    scales = _forward(subject, network, 1000 * lightness, 1000 * chroma)
    # NaN is beyond any bound, too.
    if not all((scale.abs() <= 1).all() for scale in scales):
        return "no sigmoid and no tanh at the end"
    bounded = "everything stays within [-1, 1] however large the weights: leave out the sigmoid or tanh at the end"
    _expect(subject.kind != "critic", bounded + "; the losses do that")
    return Note(bounded + ", whose slope vanishes at saturated colours")


def compiled(subject: Subject) -> str:
    """torch.compile can take it, or it is known why not."""
    network = subject.made.eval()
    picture = _input(subject, 2, subject.size, subject.size)
    wanted = _forward(subject, network, *picture)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Traced and run by torch itself: a C++ compiler is not needed, and not waited for.
            found = _forward(subject, torch.compile(network, backend="aot_eager", fullgraph=True), *picture)
    except Exception as error:
        return Note(f"torch.compile cannot make one graph of it: {_short(one_line(error))}")
    finally:
        torch.compiler.reset()
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(wanted, found, strict=True)):
        return Note("torch.compile gives another result")
    return "torch.compile makes one graph of it"


def cost(subject: Subject) -> str:
    """What it takes: reported, not judged."""
    lightness, chroma = _input(subject, 1, subject.size, subject.size)
    found = measure(subject.made, lambda: FORWARD[subject.kind](subject.made, lightness, chroma, torch.float32))
    return Note(
        f"{found.parameters / 1e6:.2f} M parameters; per picture of {subject.size} × {subject.size}: "
        f"{found.seconds * 1000:.1f} ms forward, {found.kept / 2**20:.1f} MiB of activations kept for training"
    )


def _colour(network: Any, lightness: Tensor, _chroma: Tensor, dtype: torch.dtype) -> list[Tensor]:
    return [predict_chroma(network, lightness, dtype)]


def _judge(network: Any, lightness: Tensor, chroma: Tensor, dtype: torch.dtype) -> list[Tensor]:
    with torch.autocast(lightness.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        logits = network(lightness, chroma)
    scales = [logits] if isinstance(logits, Tensor) else list(logits)
    strange = [type(scale).__name__ for scale in scales if not isinstance(scale, Tensor)]
    _expect(not strange, f"logits must be a tensor, or a list of them, one per scale; found {_names(strange)}")
    return scales


FORWARD: dict[Kind, Callable[[Any, Tensor, Tensor, torch.dtype], list[Tensor]]] = {
    "generator": _colour,
    "critic": _judge,
}


def _forward(
    subject: Subject, network: Any, lightness: Tensor, chroma: Tensor, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Run a network as a training would, on a random state of its own; only in training are gradients kept."""
    torch.manual_seed(0)
    with torch.set_grad_enabled(network.training):
        return FORWARD[subject.kind](network, lightness, chroma, dtype)


def _input(subject: Subject, batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Noise as lightness and as chroma."""
    generator = torch.Generator().manual_seed(0)
    lightness = torch.rand(batch, 1, height, width, generator=generator) * 2 - 1
    chroma = torch.randn(batch, 2, height, width, generator=generator) * 0.3
    return lightness.to(subject.device), chroma.to(subject.device)


def _finite(scales: Sequence[Tensor]) -> bool:
    return all(bool(scale.isfinite().all()) for scale in scales)


def _equal(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# ------------------------------------------------------------------------------------------------- losses


def loss_made(subject: Subject) -> str:
    """The factory makes a loss of the kind that it is registered as."""
    loss, component = subject.made, subject.component
    adversarial = _is_adversarial(loss)
    _expect(
        adversarial or callable(loss),
        f"what the factory returns ({type(loss).__name__}) is no loss: it can neither be called with (fake, real) pictures, nor has it the "
        "methods critic(real, fake) and generator(fake) of an adversarial one",
    )
    if component is not None:
        _expect(
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
    _expect(gradient.abs().sum() > 0, "no gradient reaches the fake's chroma: the generator would learn nothing")
    if isinstance(subject.made, nn.Module):
        own = [name for name, p in subject.made.named_parameters() if p.grad is not None]
        subject.made.zero_grad()
        if own:
            return Note(f"{_names(own)} get gradients, too, which nothing uses: requires_grad_(False)")
    return "reach the fake's chroma alone"


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
    noise = _input(subject, 2, subject.size, subject.size)[1]
    for name, original, chroma in (
        ("the original itself", real, real.chroma),
        ("no colour at all", real, 0 * real.chroma),
        ("colours of noise", real, 5 * noise),
        *(
            (f"a picture that is {word}", LabPicture(torch.full_like(real.lightness, level), 0 * real.chroma), noise)
            for word, level in (("all black", -1.0), ("all white", 1.0))
        ),
    ):
        try:
            _compare(subject, original, chroma)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    return "the original itself, black, white, grey and noise give numbers"


def deterministic_loss(subject: Subject) -> str:
    """The same seed gives the same loss."""
    real = pictures(size=subject.size, device=subject.device)
    first, second = (_compare(subject, real, 0.5 * real.chroma, loss=subject.make())[0] for _ in range(2))
    _expect(torch.equal(first, second), f"two losses of the same seed differ: {first:.6g} and {second:.6g}")
    return "the same seed gives the same value, bit for bit"


def sides(subject: Subject) -> str:
    """Both sides are finite scalars, for logits of any shape, and gradients reach the logits."""
    for shape in ((2,), (2, 1, 4, 4)):
        real, fake = (torch.full(shape, level, device=subject.device) for level in (0.5, -0.5))
        values = _sides(subject, real, fake)
    return f"critic {values[0]:.4g}, generator {values[1]:.4g} for logits of 0.5 and -0.5"


def signs(subject: Subject) -> str:
    """Better logits, smaller loss."""
    high, low = (torch.full((2, 1, 4, 4), level, device=subject.device) for level in (0.5, -0.5))
    right, displeased = _sides(subject, high, low)
    wrong, pleased = _sides(subject, low, high)
    _expect(
        right < wrong,
        f"the critic's side is {right:.4g} where it is right and {wrong:.4g} where it is wrong: it must be the other "
        "way round (larger logits mean more like an original)",
    )
    _expect(
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
        except AssertionError as error:
            raise AssertionError(f"logits of {level:g} and {-level:g}: {error}") from None
    return "logits of 0, 100 and -100 give numbers"


def _is_adversarial(loss: object) -> bool:
    return all(callable(getattr(loss, side, None)) for side in ("critic", "generator"))


def _compare(subject: Subject, real: LabPicture, chroma: Tensor, loss: Any = None) -> tuple[Tensor, Tensor]:
    """Compare a fake of this chroma with a real picture: the loss, and its gradient at the chroma."""
    torch.manual_seed(0)
    chroma = chroma.detach().clone().requires_grad_(True)
    # Pictures of its own, as in every step of a training: they remember what was computed of them.
    fake, real = LabPicture(real.lightness, chroma), LabPicture(real.lightness, real.chroma)
    value = (subject.made if loss is None else loss)(fake, real)
    _expect_scalar(value, "it")
    _expect(value.requires_grad, "the loss is cut off from the fake: no gradient can reach it")
    value.backward()
    gradient = torch.zeros_like(chroma) if chroma.grad is None else chroma.grad
    _expect(gradient.isfinite().all(), "the gradient is NaN or infinite")
    return value.detach(), gradient


def _sides(subject: Subject, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the critic's and the generator's side, after a look at their gradients."""
    torch.manual_seed(0)
    values = []
    for side, logits in (("critic", (real, fake)), ("generator", (fake,))):
        leaves = [scale.detach().clone().requires_grad_(True) for scale in logits]
        value = getattr(subject.made, side)(*leaves)
        _expect_scalar(value, f"{side}(…)")
        _expect(value.requires_grad, f"{side}(…) is cut off from the logits: no gradient can reach them")
        value.backward()
        wild = any(leaf.grad is not None and not leaf.grad.isfinite().all() for leaf in leaves)
        _expect(not wild, f"the gradient of {side}(…) is NaN or infinite")
        values.append(value.detach())
    return values[0], values[1]


def _expect_scalar(value: object, what: str) -> None:
    _expect(isinstance(value, Tensor), f"{what} returns no tensor: {type(value).__name__}")
    assert isinstance(value, Tensor)
    _expect(value.shape == (), f"{what} returns a tensor of shape {tuple(value.shape)}, expected a scalar, of shape ()")
    _expect(value.isfinite(), f"{what} returns {float(value.detach())}, expected a finite number")


# ------------------------------------------------------------------------------------------------- data sets


def dataset_made(subject: Subject) -> str:
    """Both splits can be made, and there is something to train on."""
    for method in ("__len__", "__getitem__"):
        _expect(
            hasattr(subject.made, method),
            f"what the factory returns ({type(subject.made).__name__}) is no data set: it lacks {method}",
        )
    train, val = len(subject.made), len(subject.make(split="val"))
    _expect(train > 0, "it holds no photograph to train on")
    text = f"{train:,} photographs to train on, {val:,} held out"
    return text if val else Note(f"{text}: held-out pictures will be ones that it trained on")


def photographs(subject: Subject) -> str:
    """A photograph is uint8 (3, H, W), 16 pixels at least."""
    indices = _indices(subject.made)
    start = time.perf_counter()
    for index in indices:
        photo = subject.made[index]
        _expect(isinstance(photo, Tensor), f"photograph {index} is no tensor: {type(photo).__name__}")
        _expect(photo.dtype == torch.uint8, f"photograph {index} is {photo.dtype}, expected torch.uint8, 0 to 255")
        _expect(
            photo.ndim == 3 and len(photo) == 3,
            f"photograph {index} has the shape {tuple(photo.shape)}, expected (3, H, W)",
        )
        _expect(
            min(photo.shape[1:]) >= _SMALLEST_PHOTO,
            f"photograph {index} is {photo.shape[2]} × {photo.shape[1]} pixels: no side may be below {_SMALLEST_PHOTO}",
        )
    milliseconds = (time.perf_counter() - start) * 1000 / len(indices)
    return f"uint8 {tuple(photo.shape)}, {milliseconds:.1f} ms each"


def same_photograph(subject: Subject) -> str:
    """The same index gives the same photograph, from another data set of the same options, too."""
    other = subject.make(seed=1)
    for index in _indices(subject.made):
        photo = subject.made[index].clone()
        _expect(torch.equal(photo, subject.made[index]), f"photograph {index} is another one the second time")
        _expect(torch.equal(photo, other[index]), f"photograph {index} of the same options, made anew, is another one")
    return "the same index gives the same photograph"


def splits(subject: Subject) -> str:
    """No photograph is both learned from and held out, as far as a sample shows."""
    train, val = (_sample(subject.make(split=split)) for split in ("train", "val"))
    shared = sorted((train[photo], val[photo]) for photo in train.keys() & val.keys())
    if shared:
        raise AssertionError(
            f"photograph {shared[0][0]} of the split train is photograph {shared[0][1]} of val: it would be measured "
            "on what it learned"
        )
    return f"{len(train)} photographs of train, {len(val)} of val: none in both"


def worker(subject: Subject) -> str:
    """Another process can read it."""
    indices = _indices(subject.made, 2)
    loader = DataLoader(subject.made, sampler=indices, batch_size=None, num_workers=1, timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's threads and fork: the worker reads, and starts none
        found = list(loader)
    for index, photo in zip(indices, found, strict=True):
        _expect(torch.equal(photo, subject.made[index]), f"photograph {index} is another one in a loader's process")
    try:
        pickle.dumps(subject.made)
    except Exception as error:
        return Note(f"cannot be sent to loaders where they are started afresh, as on macOS: {_short(one_line(error))}")
    return "a loader's process reads the same photographs"


def fingerprint(subject: Subject) -> str:
    """The fingerprint is the same for the same photographs."""
    marks = [getattr(subject.make(seed=seed), "fingerprint", None) for seed in (0, 1)]
    if marks[0] is None:
        return Note("it has no `fingerprint`: a model file will not say which photographs it learned from")
    _expect(isinstance(marks[0], str), f"the fingerprint is a {type(marks[0]).__name__}, expected text")
    _expect(marks[0] == marks[1], f"the fingerprint changes from {marks[0]} to {marks[1]} for the same photographs")
    if marks[0] == subject.make(split="val").fingerprint:
        return Note("train and val have the same fingerprint, although their photographs are others")
    return f"always {marks[0]}"


def _sample(dataset: Any) -> dict[bytes, int]:
    """Return the bytes of some photographs, with their indices."""
    return {dataset[index].numpy().tobytes(): index for index in _indices(dataset, 20)}


def _indices(dataset: Any, most: int = 3) -> list[int]:
    """Return some indices from the first to the last."""
    last = len(dataset) - 1
    return sorted({round(last * part / (most - 1)) for part in range(most)}) if last >= 0 else []


# ------------------------------------------------------------------------------------------------- the contracts

FACTORY: tuple[Check, ...] = (docstring, options_described, options_round_trip)
REGISTERED: tuple[Check, ...] = (summary, light_entry)
NETWORK: tuple[Check, ...] = (
    network_made, output_shapes, precision, gradients, batch_of_one, extreme_input, deterministic, saved_and_restored,
    copied, unbounded, compiled, cost,
)  # fmt: skip
ADVERSARIAL: tuple[Check, ...] = (sides, signs, bfloat16_logits, extreme_logits)
CONTRACTS: dict[Kind, tuple[Check, ...]] = {
    "generator": NETWORK,
    "critic": NETWORK,
    "loss": (loss_made, scalar, gradients_of_fake, identical_pictures, extreme_pictures, deterministic_loss),
    "dataset": (dataset_made, photographs, same_photograph, splits, worker, fingerprint),
}
"""The first makes the component; without it, the others are not tried."""
