"""A forward pass of every component on fake CUDA tensors: what a GPU would stumble over shows without one.

Fake tensors (torch's `FakeTensorMode`) know their shape, type and device, and nothing else. So whatever was left on the
CPU fails, and so does whatever asks for a value (`.item()`, `float()`, a mask, an `if`), which on a GPU would wait for
everything before it. What they cannot say: gradients, and so penalties; and whether the numbers are right.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo import registry
from zoo.conditioning import Conditions, draw_hints
from zoo.data.batch import Batch
from zoo.data.picture import LabPicture
from zoo.networks import predict_chroma
from zoo.photo import color
from zoo.recipe import Stage
from zoo.registry.contracts import Kind, Picture, Step
from zoo.registry.made import asked_for
from zoo.registry.options import options_of
from zoo.registry.plugins import Component
from zoo.registry.spec import parse
from zoo.testing.checks import subject_of
from zoo.testing.losses import is_adversarial
from zoo.testing.subject import CPU, Subject
from zoo.training.assembly import assemble
from zoo.training.backward import Backward
from zoo.training.distributed import Distributed
from zoo.training.learning import colour_in_training, learned_through

SIZE = 64
PRECISIONS = (torch.float32, torch.bfloat16)

# What makes components small, by kind and option.
SMALL: dict[Kind, dict[str, str]] = {
    "generator": {"base": "4", "encoder": "tu-test_resnet", "weights": "none"},
    "critic": {"base": "4"},
    "loss": {"net": "test_resnet", "weights": "random"},
    "metric": {"net": "test_resnet", "weights": "random"},
}
ENCODERS = {"smp-dpt": "tu-test_vit"}

# Options that lead elsewhere in the code than the defaults.
VARIANTS: list[tuple[Kind, str]] = [
    ("generator", "unet-shallow:norm=instance,up=resize,dropout=true"),
    ("generator", "smp-unet:stem=repeat,decoder_attention_type=scse"),
    ("generator", "smp-deeplabv3plus:decoder_aspp_separable=false"),
    ("critic", "patch:norm=instance"),
    ("critic", "patch:norm=spectral"),
    ("critic", "pixel:norm=none"),
    ("loss", "vgg:distance=l1"),
    ("loss", "adv:smooth=0.1"),
]


class OneDevice(TorchDispatchMode):
    """Lets nothing travel between devices: it takes time at every step, and cannot be recorded as a CUDA graph."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [value for value in tree_leaves((args, kwargs, result)) if isinstance(value, Tensor)]
        if func not in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            # A number in a CPU tensor is handed to a kernel as a Python number is.
            tensors = [tensor for tensor in tensors if tensor.ndim or tensor.device.type != "cpu"]
        devices = {tensor.device.type for tensor in tensors}
        assert len(devices) < 2, f"{func} moves tensors between devices"
        return result


@pytest.fixture(autouse=True)
def _autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    # Autocast asks for a GPU, and needs none.
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_args, **_kwargs: True)


@contextmanager
def fake_tensors() -> Iterator[None]:
    """Make all tensors that are created in this context fake ones, and let no real one in."""
    # A table is kept for each device: none must be left over from before, and no fake one for others to find.
    color._linear_of_bytes.cache_clear()
    try:
        with FakeTensorMode(allow_non_fake_inputs=False):
            yield
    finally:
        color._linear_of_bytes.cache_clear()


def small(component: Component, spec: str = "") -> Subject:
    """Return a component with few channels and random weights."""
    has = {option.name for option in options_of(component.factory(), component.kind)}
    options = {name: value for name, value in SMALL[component.kind].items() if name in has}
    if component.name in ENCODERS:
        options["encoder"] = ENCODERS[component.name]
    return subject_of(component, {**options, **parse(spec or component.name).options}, CPU, SIZE)


def to_cuda(module: nn.Module) -> None:
    """Put parameters and buffers on a GPU, as `.to(device)` does, and nothing else that a module may have."""
    for part in module.modules():
        for own in (part._parameters, part._buffers):
            for name, tensor in own.items():
                if tensor is not None:
                    own[name] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                    own[name].requires_grad_(tensor.requires_grad)


def run(subject: Subject) -> None:
    """Run a component on fake CUDA tensors, as training and validation do.

    Raises:
        Exception: Something is on the CPU, comes from it, or must be waited for.
    """
    made = subject.make()
    with fake_tensors():
        if isinstance(made, nn.Module):
            to_cuda(made)
        real = LabPicture.of_photos(torch.empty(2, 3, SIZE, SIZE, dtype=torch.uint8, device="cuda"))
        fake = LabPicture(real.lightness, torch.empty_like(real.chroma).requires_grad_())
        for training in (True, False):
            if isinstance(made, nn.Module):
                made.train(training)
            with OneDevice():
                results = FORWARD[subject.kind](made, fake, real)
            assert results
            for result in results:
                assert result.device.type == "cuda", f"the result is on {result.device}"


def colour(generator: Any, _fake: Picture, real: Picture) -> list[Tensor]:
    # Training crops fit; photographs need not.
    lightness = real.lightness if generator.training else real.lightness[..., 3:, 5:]
    return [predict_chroma(generator, lightness, dtype) for dtype in PRECISIONS]


def judge(critic: Any, fake: Picture, real: Picture) -> list[Tensor]:
    logits = []
    for picture in (real, fake):
        for dtype in PRECISIONS:
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                scales = critic(picture.lightness, picture.chroma)
            logits += [scales] if isinstance(scales, Tensor) else scales
    assert {scale.dtype for scale in logits} == set(PRECISIONS)
    return logits


def compare(loss: Any, fake: Picture, real: Picture) -> list[Tensor]:
    if not is_adversarial(loss):
        features = [torch.empty(2, 4, 6, 6, device="cuda") for _ in range(2)]
        step = Step(*torch.empty(2, device="cuda"), features, features)
        values = [loss(fake, real, **asked_for(loss, {"step": step}))]
    else:
        logits = [torch.empty(2, 1, 6, 6, dtype=dtype, device="cuda") for dtype in PRECISIONS]
        values = [side for one in logits for side in (loss.critic(one, one), loss.generator(one))]
    assert {(value.dtype, value.shape) for value in values} == {(torch.float32, ())}
    return values


def measure(metric: Any, fake: Picture, real: Picture) -> list[Tensor]:
    with torch.inference_mode():
        found = metric(fake, real, **asked_for(metric, {"critic": lambda _, chroma: [chroma, chroma[..., ::2, ::2]]}))
        return list(found.values()) if isinstance(found, Mapping) else [found]


FORWARD: dict[Kind, Callable[[Any, Picture, Picture], list[Tensor]]] = {
    "generator": colour,
    "critic": judge,
    "loss": compare,
    "metric": measure,
}


@pytest.mark.parametrize("component", [one for one in registry.components() if one.kind in FORWARD], ids=str)
def test_component_runs_on_cuda(component: Component) -> None:
    run(small(component))


@pytest.mark.parametrize(("kind", "spec"), VARIANTS, ids=[spec for _, spec in VARIANTS])
def test_so_do_its_variants(kind: Kind, spec: str) -> None:
    run(small(registry.get().find(kind, parse(spec).name), spec))


def test_colours_are_converted_on_cuda_in_float32() -> None:
    with fake_tensors(), torch.autocast("cuda", dtype=torch.bfloat16):
        photos = torch.empty(2, 3, SIZE, SIZE, dtype=torch.uint8, device="cuda")
        color.encode(photos)  # keeps a table on the device, which is sent there once
        with OneDevice():
            lightness, chroma = color.encode(photos)
            half = color.encode(photos.bfloat16() / 255)
            rgb = color.decode(lightness, chroma)
            free = color.lab_to_rgb(color.rgb_to_lab(rgb), clip=False)
            measured = color.colourfulness(photos), color.colourfulness(rgb)
    assert {(one.device.type, one.dtype) for one in (lightness, chroma, *half, rgb, free, *measured)} == {
        ("cuda", torch.float32)
    }
    # `fit_gamut` and `join` choose colours by a mask, and are for photographs that go to disk: they run on the CPU.


@pytest.mark.parametrize("stage", ["generator", "critic", "gan"])
def test_the_forward_passes_of_a_step_run_on_cuda(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    minimized: list[Tensor] = []
    monkeypatch.setattr("torch.autograd.backward", lambda total, **_kwargs: minimized.append(total))
    on_cpu = assemble(tiny(loss="l1+smooth-l1+adv+adv-hinge", precision="bf16", compile="off"))
    assert on_cpu.critic is not None
    with fake_tensors():
        to_cuda(on_cpu.generator)
        to_cuda(on_cpu.critic)
        backward = Backward(dataclasses.replace(on_cpu, device=torch.device("cuda")), Distributed())
        photos = torch.empty(4, 3, 32, 32, dtype=torch.uint8, device="cuda")
        color.encode(photos)  # keeps a table on the device, which is sent there once
        with OneDevice():
            now = Step(*torch.empty(2, device="cuda"))
            losses = backward(Batch(photos), stage, step=now, due=(), micro_batch=2)
    judged = {"critic"} if stage != "generator" else set()
    coloured = {"l1", "smooth-l1"} if stage != "critic" else set()
    assert losses.keys() == judged | coloured | ({"adv", "adv-hinge"} if stage == "gan" else set())
    assert len(minimized) == 2 * (2 if stage == "gan" else 1)  # in two micro-batches
    assert {(one.device.type, one.dtype) for one in [*losses.values(), *minimized]} == {("cuda", torch.float32)}


# ------------------------------------------------------------------------------------------------- would it be caught?


class Layer(nn.Module):
    """A generator with one layer, whose output goes through whatever is tried."""

    def __init__(self, spoil: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 1)
        self.spoil = spoil

    def forward(self, lightness: Tensor) -> Tensor:
        return self.spoil(self.layer(lightness))


LEFT_BEHIND = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1)

SPOILT: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "a constant": (lambda x: x * LEFT_BEHIND, "convert all Tensors to FakeTensors"),
    "made on the CPU": (lambda x: x * torch.ones(x.shape), "two devices, cuda:0 and cpu"),
    "sent from the CPU": (lambda x: x * torch.tensor([0.3], device=x.device), "moves tensors between devices"),
    "an index on the CPU": (lambda x: x[:, torch.tensor([1, 0])], "moves tensors between devices"),
    "to the CPU": (lambda x: x.cpu(), "moves tensors between devices"),
    "item": (lambda x: x / x.mean().item(), "_local_scalar_dense"),
    "float": (lambda x: x / float(x.mean()), "_local_scalar_dense"),
    "if": (lambda x: x if x.mean() > 0 else -x, "_local_scalar_dense"),
    "a mask": (lambda x: x + x[x > 0].mean(), "nonzero"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_generator_is_caught(name: str) -> None:
    spoil, complaint = SPOILT[name]
    with pytest.raises(Exception, match=complaint):
        run(Subject("generator", lambda: Layer(spoil), {}))


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_loss_is_caught(name: str) -> None:
    spoil, complaint = SPOILT[name]
    with pytest.raises(Exception, match=complaint):
        run(Subject("loss", lambda: lambda fake, real: spoil(fake.chroma - real.chroma).abs().mean(), {}))


def test_the_unspoilt_ones_are_not() -> None:
    run(Subject("generator", lambda: Layer(lambda x: 2 * x), {}))
    run(Subject("loss", lambda: lambda fake, real: (fake.chroma - real.chroma).abs().mean(), {}))


@pytest.mark.parametrize("generator", ["noisy:Noisy", "noisy:Hinted", "bins:Bins", "flow:Flow"])
def test_what_generators_are_given_in_training(monkeypatch: pytest.MonkeyPatch, generator: str) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "packages" / "zoo-odd")
    module, _, kind = generator.partition(":")
    made = getattr(importlib.import_module(f"zoo_odd.{module}"), kind)()
    with fake_tensors():
        to_cuda(made)
        real = LabPicture.of_photos(torch.empty(2, 3, SIZE, SIZE, dtype=torch.uint8, device="cuda"))
        with OneDevice():
            conditions = Conditions(hints=draw_hints(real.chroma))
            for dtype in PRECISIONS:
                chroma, losses = colour_in_training(learned_through(made), real, dtype, conditions)
                assert {result.device.type for result in (chroma, *losses.values())} == {"cuda"}
