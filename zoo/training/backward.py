"""The gradients of both networks over a batch, in micro-batches where memory asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from zoo.conditioning import HINTS, Conditions, draw_hints, names_taken
from zoo.data.batch import Batch
from zoo.data.picture import LabPicture
from zoo.device import compiles, pick_memory_format
from zoo.errors import UsageError
from zoo.recipe import Stage
from zoo.registry.contracts import NoFeaturesError, Step
from zoo.training.assembly import Assembly
from zoo.training.distributed import Distributed, unsynchronized
from zoo.training.learning import colour_in_training, learned_through
from zoo.training.objective import Judgements, with_features
from zoo.training.optimizers import trainable


class Backward:
    """Takes gradients against the other network as it was at the beginning of the batch.

    So a batch may be taken in smaller parts, one after the other, and comes to the same.
    """

    def __init__(self, assembly: Assembly, distributed: Distributed) -> None:
        self.assembly = assembly
        self.distributed = distributed
        networks = {"generator": assembly.generator, "critic": assembly.critic}
        self.parameters = {
            name: [parameter for _, parameter in trainable(network)]
            for name, network in networks.items()
            if network is not None
        }
        """What is learned, by network; with the generator's, what losses learn."""
        self.of_losses = [parameter for _, parameter in assembly.objective.trainable]
        """What losses learn: nobody averages its gradients over several processes within a backward pass."""
        self.parameters["generator"] += self.of_losses
        self._taken = names_taken(assembly.generator)
        self._offers_features = False
        """Whether the critic is known to, from before its stage."""
        self.compiled = compiles(assembly.recipe.compile, assembly.device)
        self._wrap()

    def without_compiler(self) -> None:
        """Call the networks as they are from now on."""
        self.compiled = False
        self._wrap()

    def _wrap(self) -> None:
        """Put around the networks what training calls them through: the compiler, several processes' wrapper."""
        if self.compiled:
            # The critic's graph is gone through twice: the compiler must not reuse its memory after the first time.
            torch._functorch.config.donated_buffer = False
        self._generator = self._wrapped(self.assembly.generator)
        self._critic = None if self.assembly.critic is None else self._wrapped(self.assembly.critic)

    def _wrapped(self, network: nn.Module) -> nn.Module:
        network.train()
        recipe = self.assembly.recipe
        # The compiler cannot see through the contexts in which activations are computed a second time.
        checkpointed = recipe.memory == "low" and network is self.assembly.generator
        if network is self.assembly.generator:
            network = learned_through(network)
        if self.compiled and not checkpointed:
            mode = "max-autotune-no-cudagraphs" if recipe.compile == "max" else "default"
            # Not for every size at once: after progressive sizes, the last one would be the slowest.
            network = cast(nn.Module, torch.compile(network, mode=mode, dynamic=False))
        return self.distributed.wrap(network)

    @property
    def all_parameters(self) -> list[nn.Parameter]:
        """What is learned, of all networks."""
        return [parameter for parameters in self.parameters.values() for parameter in parameters]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.all_parameters:
            parameter.grad = None

    def __call__(
        self,
        batch: Batch,
        stage: Stage,
        *,
        step: Step,
        due: Sequence[int],
        micro_batch: int,
        alone: bool = False,
    ) -> dict[str, Tensor]:
        """Add up the gradients of both networks over a batch, or over this process's part of it.

        Args:
            batch: on the device.
            stage: who learns.
            step: where the run is, for losses.
            due: which penalties are: see `Objective.due`.
            micro_batch: images on the device at once.
            alone: leave the gradients this process's own, where there are several.

        Returns:
            The losses, weighted, as means over the batch.
        """
        self.zero_grad()
        sums: dict[str, Tensor] = {}
        parts = list(batch.split(micro_batch))
        for number, part in enumerate(parts, start=1):
            weight = len(part) / len(batch)
            last = number == len(parts) and not alone
            with nullcontext() if last else unsynchronized(self._generator, self._critic):
                losses = self._of_micro_batch(part, weight, stage, step, due)
            for name, loss in losses.items():
                sums[name] = sums[name] + weight * loss if name in sums else weight * loss
        return sums

    def _of_micro_batch(
        self, batch: Batch, weight: float, stage: Stage, step: Step, due: Sequence[int]
    ) -> dict[str, Tensor]:
        assembly, objective = self.assembly, self.assembly.objective
        critic = None if stage == "generator" else self._critic
        real = LabPicture.of_photos(batch.photos.contiguous(memory_format=pick_memory_format(assembly.device)))
        if batch.drawn is not None:
            real = LabPicture(*assembly.augment(real.lightness, real.chroma, batch.drawn))
            batch = assembly.augment.moved(batch)
        with torch.set_grad_enabled(stage != "critic"):
            # Past the wrapper of several processes where no backward pass follows: it would wait for one.
            generator = learned_through(assembly.generator) if stage == "critic" else self._generator
            hints = draw_hints(real.chroma) if HINTS in self._taken else None
            conditions = Conditions(hints=hints, extras=batch.extras, frames=batch.frames)
            chroma, own = colour_in_training(generator, real, assembly.dtype, conditions)
            fake = LabPicture(real.lightness, chroma)
        losses: dict[str, Tensor] = {}
        on_real: Judgements = []
        on_fake: Judgements = []
        if critic is not None:
            with self._autocast():
                on_real = objective.judged(critic(real.lightness, real.chroma))
                on_fake = objective.judged(critic(fake.lightness, fake.chroma))
            step = with_features(step, on_fake, on_real)
            judged = losses["critic"] = objective.critic(on_real, on_fake, step)
            if penalties := self._penalties(real, fake, due, step):
                losses["penalty"] = torch.stack(penalties).sum()
                judged = judged + losses["penalty"]
            # One forward pass serves both networks: this backward pass ends at the critic's weights, and the
            # generator's, below, goes through the critic without stopping at them.
            again = stage == "gan"
            torch.autograd.backward(judged * weight, inputs=self.parameters["critic"], retain_graph=again)
        if stage == "critic":
            return {name: loss.detach() for name, loss in losses.items()}
        # Losses compare small differences: they are left in float32, networks inside of them too.
        resting = critic is None and self._critic is not None
        generators = objective.image(fake, real, step, resting=resting)
        if resting and len(generators) < objective.image_losses:
            self._expect_features(real)
        if critic is not None:
            generators |= objective.generator(on_fake, on_real, step)
        generators |= self._named_apart(own, losses | generators)
        if not generators and not assembly.plan.losses:
            raise assembly.plan.generator.component.broken(
                "its learn(…) returns no loss, and the recipe has none: nothing can be learned"
            )
        if not generators:
            raise UsageError(f"--loss {assembly.recipe.loss} teaches a generator nothing while the critic rests")
        total = torch.stack(list(generators.values())).sum()
        torch.autograd.backward(total * weight, inputs=self.parameters["generator"])
        return {name: loss.detach() for name, loss in (losses | generators).items()}

    def _named_apart(self, own: dict[str, Tensor], losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the generator's own losses, if they can be told from the others."""
        component = self.assembly.plan.generator.component
        if taken := sorted(own.keys() & losses.keys()):
            raise component.broken(f"its learn(…) returns a loss {taken[0]!r}, as the recipe has: give it another name")
        return own

    def _expect_features(self, real: LabPicture) -> None:
        """See once, while the critic rests, that it will have what losses wait for: not only when its stage comes."""
        critic = self.assembly.critic
        if self._offers_features or critic is None:
            return
        device = self.assembly.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad(), self._autocast():
            judged = self.assembly.objective.judged(critic.eval()(real.lightness[:1], real.chroma[:1]))
        critic.train()
        self._offers_features = any(one.features for one in judged)
        if not self._offers_features:
            raise NoFeaturesError(f"--loss {self.assembly.recipe.loss} asks for features, and this critic offers none")

    def _penalties(self, real: LabPicture, fake: LabPicture, due: Sequence[int], step: Step) -> list[Tensor]:
        # Past compilers, which cannot differentiate twice, and past autocast, in which gradients' gradients are coarse.
        assembly = self.assembly
        assert assembly.critic is not None
        with torch.autocast(assembly.device.type, enabled=False):
            cut_off = LabPicture(fake.lightness, fake.chroma.detach())
            return assembly.objective.penalties(assembly.critic, real, cut_off, due, step)

    def _autocast(self) -> torch.autocast:
        enabled = self.assembly.dtype == torch.bfloat16
        return torch.autocast(self.assembly.device.type, dtype=torch.bfloat16, enabled=enabled)
