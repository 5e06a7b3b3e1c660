"""One step of both networks, and all the state that it leaves behind."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo.data.picture import LabPicture
from zoo.device import captures, compiles, pick_memory_format
from zoo.errors import ZooError
from zoo.model import predict_chroma
from zoo.plugins import one_line
from zoo.recipe import Stage
from zoo.training.assembly import Assembly
from zoo.training.capture import Recorder
from zoo.training.ranks import Ranks, unsynchronized
from zoo.training.recompute import recompute_activations


class Trainer:
    """Trains a generator, and the critic that judges it where there is one.

    Both networks step at the end of a batch, from gradients taken against the other as it was at the beginning. So a
    batch may be taken in smaller parts, one after the other, and comes to the same.
    """

    def __init__(self, parts: Assembly, ranks: Ranks | None = None) -> None:
        self.parts = parts
        self.ranks = ranks or Ranks()
        self.steps = 0
        self.images = 0
        self.micro = self.ranks.share_of(parts.recipe.batch)
        """Pictures on the device at once. Halved when memory runs out."""
        self.skipped = torch.zeros((), device=parts.device)
        """Steps not taken since a gradient was not a number."""
        self.skipped_in_a_row = torch.zeros((), device=parts.device)
        self.fell_back = ""
        """What made training faster and was given up, and why, in words; empty if nothing was."""
        self._went_well: set[Hashable] = set()
        """Forms of a step that all of several processes had memory for."""
        # Processes that wait for one another within a step cannot record it.
        recorded = captures(parts.recipe.compile, parts.device) and self.ranks.world == 1
        self._recorder = Recorder() if recorded else None
        if parts.recipe.sync_batch_norm:
            parts.generator = self.ranks.share_statistics(parts.generator)
            parts.critic = None if parts.critic is None else self.ranks.share_statistics(parts.critic)
        self._learned = {"generator": _learned(parts.generator)}
        if parts.critic is not None:
            self._learned["critic"] = _learned(parts.critic)
        self._optimizers = {name: self._adam(learned) for name, learned in self._learned.items()}
        self._rates = {name: torch.tensor(self._rate(name), device=parts.device) for name in self._learned}
        """The learning rates where a recorded step finds them."""
        self.average = copy.deepcopy(parts.generator).eval().requires_grad_(False) if parts.recipe.ema else None
        """The generator's exponential moving average, or None."""
        if parts.recipe.memory == "low":
            recompute_activations(parts.generator)
        self._compiled = compiles(parts.recipe.compile, parts.device)
        self._make_callable()
        self._seed_others()

    def _make_callable(self) -> None:
        """Put around the networks what training calls them through: the compiler, several processes' wrapper."""
        if self._compiled:
            # The critic's graph is gone through twice: the compiler must not reuse its memory after the first time.
            torch._functorch.config.donated_buffer = False
        self._generator = self._callable(self.parts.generator)
        self._critic = None if self.parts.critic is None else self._callable(self.parts.critic)

    def _callable(self, network: nn.Module) -> nn.Module:
        network.train()
        if self._compiled:
            mode = "max-autotune-no-cudagraphs" if self.parts.recipe.compile == "max" else "default"
            network = cast(nn.Module, torch.compile(network, mode=mode))
        return self.ranks.wrap(network)

    @property
    def best_generator(self) -> nn.Module:
        """What to look at and to save: the average where one is kept."""
        return self.average or self.parts.generator

    @property
    def is_healthy(self) -> bool:
        """Whether the newest step was taken. Waits for the device."""
        return float(self.skipped_in_a_row) == 0

    @property
    def epochs(self) -> float:
        """Rounds through the data set so far."""
        return self.images / len(self.parts.photos)

    def set_rate(self, factor: float) -> None:
        """Set the learning rates to a share of the recipe's."""
        for name, optimizer in self._optimizers.items():
            rate = self._rate(name) * factor
            for group in optimizer.param_groups:
                group["lr"] = rate if self._recorder is None else self._rates[name].fill_(rate)

    def settle(self) -> None:
        """Make what several processes counted each for itself, batch norm's statistics, the same for all."""
        for network in self._networks().values():
            self.ranks.average_buffers(network)

    def step(self, photos: Tensor, stage: Stage = "gan") -> dict[str, Tensor]:
        """Take one step of both networks, or of one, in parts if memory asks for it.

        A step whose losses or gradients are not numbers changes no weight, and is counted.

        Args:
            photos: uint8 (N, 3, size, size), sRGB, on the device: this process's share of the batch.
            stage: who learns: the generator from image losses alone, the critic alone, or both (gan).

        Returns:
            Loss by name: scalars, weighted, means over all processes, still on the device.

        Raises:
            torch.OutOfMemoryError: not even one picture fits.
        """
        losses = self._replayed(photos, stage) if self._recorder is not None else None
        if losses is None:
            losses = self._taken(photos, stage)
        self.steps += 1
        self.images += len(photos) * self.ranks.world
        if self.average is not None and stage != "critic":
            self._update_average(self.average)
        return losses

    def _form(self, photos: Tensor, stage: Stage) -> Hashable:
        """What a step's operations and its memory depend on."""
        return stage, photos.shape, self.micro, self.parts.objective.due(self.steps)

    def _replayed(self, photos: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        assert self._recorder is not None
        try:
            form = self._form(photos, stage)
            return self._recorder.replay(form, photos, lambda same: self._descend(self._gradients(same, stage)))
        except Exception as error:
            self._recorder = None
            self.fell_back = f"the step cannot be a CUDA graph, going on without: {one_line(error)}"
            return None

    def _taken(self, photos: Tensor, stage: Stage) -> dict[str, Tensor]:
        # Several processes average their gradients within the backward pass, where none may fail and begin again. So
        # until a step of this form has gone well on all of them, each computes its own first, and then they meet.
        several = self.ranks.world > 1 and not self.parts.recipe.sync_batch_norm
        alone = several and self._form(photos, stage) not in self._went_well
        losses = self._gradients_that_fit(photos, stage, alone)
        if alone:
            self.micro = self.ranks.smallest(self.micro, photos.device)
            self.ranks.average([learned.grad for learned in self._all_learned if learned.grad is not None])
            self._went_well.add(self._form(photos, stage))
        return self._descend(losses)

    def _gradients_that_fit(self, photos: Tensor, stage: Stage, alone: bool) -> dict[str, Tensor]:
        """Take smaller parts where memory runs out, and do without the compiler where it fails."""
        while True:
            try:
                return self._gradients(photos, stage, alone)
            except Exception as error:
                if self._compiled and not out_of_memory(error):
                    # What is not the compiler's fault comes again without it.
                    self._compiled = False
                    self.fell_back = f"torch.compile gave up, going on without it: {one_line(error)}"
                    self._make_callable()
                    continue
                if not out_of_memory(error) or self.micro == 1 or (self.ranks.world > 1 and not alone):
                    raise
            # Outside of the except clause, where the traceback no longer holds on to the activations.
            self.micro = (min(self.micro, len(photos)) + 1) // 2
            self._forget_gradients()
            if self.parts.device.type == "cuda":
                torch.cuda.empty_cache()

    def _gradients(self, photos: Tensor, stage: Stage, alone: bool = False) -> dict[str, Tensor]:
        """Add up the gradients of both networks over a batch, or over this process's part of it; return its losses."""
        self._forget_gradients()
        sums: dict[str, Tensor] = {}
        batch = torch.split(photos, self.micro)
        for number, part in enumerate(batch, start=1):
            share = len(part) / len(photos)
            last = number == len(batch) and not alone
            with nullcontext() if last else unsynchronized(self._generator, self._critic):
                losses = self._gradients_of_part(part, share, stage)
            for name, loss in losses.items():
                sums[name] = sums[name] + share * loss if name in sums else share * loss
        return sums

    def _gradients_of_part(self, photos: Tensor, share: float, stage: Stage) -> dict[str, Tensor]:
        parts = self.parts
        critic = None if stage == "generator" else self._critic
        real = LabPicture.of_photos(photos.contiguous(memory_format=pick_memory_format(parts.dtype)))
        with torch.set_grad_enabled(stage != "critic"):
            # Past the wrapper of several processes where no backward pass follows: it would wait for one.
            generator = parts.generator if stage == "critic" else self._generator
            fake = LabPicture(real.lightness, predict_chroma(generator, real.lightness, parts.dtype))
        losses: dict[str, Tensor] = {}
        fake_logits: Tensor | Sequence[Tensor] = ()
        if critic is not None:
            with self._autocast():
                real_logits = critic(real.lightness, real.chroma)
                fake_logits = critic(fake.lightness, fake.chroma)
            judged = losses["critic"] = parts.objective.critic(real_logits, fake_logits)
            if penalties := self._penalties(real, fake):
                losses["penalty"] = torch.stack(penalties).sum()
                judged = judged + losses["penalty"]
            # One forward pass serves both networks: this backward pass ends at the critic's weights, and the
            # generator's, below, goes through the critic without stopping at them.
            again = stage == "gan"
            torch.autograd.backward(judged * share, inputs=self._learned["critic"], retain_graph=again)
        if stage == "critic":
            return {name: loss.detach() for name, loss in losses.items()}
        with self._autocast():
            generators = parts.objective.image(fake, real)
            if critic is not None:
                generators |= parts.objective.generator(fake_logits)
        total = torch.stack(list(generators.values())).sum()
        torch.autograd.backward(total * share, inputs=self._learned["generator"])
        return {name: loss.detach() for name, loss in (losses | generators).items()}

    def _penalties(self, real: LabPicture, fake: LabPicture) -> list[Tensor]:
        # Past compilers, which cannot differentiate twice, and past autocast, in which gradients' gradients are coarse.
        assert self.parts.critic is not None
        with torch.autocast(self.parts.device.type, enabled=False):
            cut_off = LabPicture(fake.lightness, fake.chroma.detach())
            return self.parts.objective.penalties(self.parts.critic, real, cut_off, self.steps)

    def _descend(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Move the networks, unless something is not a number; return the losses' means over all processes."""
        if self.ranks.world > 1:
            means = self.ranks.sum(torch.stack(list(losses.values()))) / self.ranks.world
            losses = dict(zip(losses, means.unbind(), strict=True))
        gradients = [learned.grad for learned in self._all_learned if learned.grad is not None]
        # One number decides for both networks, and nobody waits for it: the optimizers read it on the device.
        norm = torch.nn.utils.get_total_norm(gradients) + torch.stack(list(losses.values())).sum()
        not_a_number = (~torch.isfinite(norm)).float()
        for optimizer in self._optimizers.values():
            optimizer.grad_scale, optimizer.found_inf = None, not_a_number  # type: ignore[attr-defined]
            optimizer.step()
        self.skipped += not_a_number
        self.skipped_in_a_row.add_(1).mul_(not_a_number)
        return losses

    @property
    def _all_learned(self) -> list[nn.Parameter]:
        return [parameter for parameters in self._learned.values() for parameter in parameters]

    def _forget_gradients(self) -> None:
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _update_average(self, average: nn.Module) -> None:
        # Young averages forget faster: otherwise the random weights of the start would linger in them.
        keep = min(self.parts.recipe.ema, (1 + self.steps) / (10 + self.steps))
        new, old = self.parts.generator.state_dict(), average.state_dict()
        moving = [name for name, value in new.items() if value.is_floating_point()]
        torch._foreach_lerp_([old[name] for name in moving], [new[name] for name in moving], 1 - keep)
        for name in new.keys() - set(moving):
            old[name].copy_(new[name])

    def _autocast(self) -> torch.autocast:
        enabled = self.parts.dtype == torch.bfloat16
        return torch.autocast(self.parts.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _adam(self, learned: list[nn.Parameter]) -> torch.optim.Adam:
        recipe = self.parts.recipe
        betas = recipe.beta1, recipe.beta2
        return torch.optim.Adam(learned, lr=recipe.lr, betas=betas, fused=True, capturable=self._recorder is not None)

    def _rate(self, network: str) -> float:
        recipe = self.parts.recipe
        return recipe.lr_critic or recipe.lr if network == "critic" else recipe.lr

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on: tensors by name, and the rest as JSON can say it."""
        tensors: dict[str, Tensor] = {
            "random/cpu": torch.get_rng_state(),
            "skipped/ever": self.skipped,
            "skipped/in_a_row": self.skipped_in_a_row,
        }
        if self.parts.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.parts.device)
        for name, network in self._networks().items():
            tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
        groups = {}
        for name, optimizer in self._optimizers.items():
            state = optimizer.state_dict()
            groups[name] = [{**group, "lr": float(group["lr"])} for group in state["param_groups"]]
            for index, moments in state["state"].items():
                tensors |= {f"{name}-optimizer/{index}/{key}": value for key, value in moments.items()}
        return tensors, {"steps": self.steps, "images": self.images, "micro": self.micro, "optimizers": groups}

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take up a state that `state` returned, so that the next step is the one that would have followed.

        Raises:
            ZooError: it is the state of other networks.
        """
        self.steps, self.images, self.micro = state["steps"], state["images"], state["micro"]
        if self._recorder is not None:
            self._recorder.forget()
        try:
            for name, network in self._networks().items():
                network.load_state_dict(_under(f"{name}/", tensors))
            for name, optimizer in self._optimizers.items():
                moments: dict[int, dict[str, Tensor]] = {}
                for key, value in _under(f"{name}-optimizer/", tensors).items():
                    index, what = key.split("/")
                    parameter = self._learned[name][int(index)]
                    # Fused optimizers take it for granted that moments lie in memory as their parameter does.
                    laid = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
                    moments.setdefault(int(index), {})[what] = laid
                groups = [{**group, "capturable": self._recorder is not None} for group in state["optimizers"][name]]
                optimizer.load_state_dict({"state": moments, "param_groups": groups})
            self.skipped = tensors["skipped/ever"].to(self.parts.device)
            self.skipped_in_a_row = tensors["skipped/in_a_row"].to(self.parts.device)
        except (RuntimeError, LookupError, ValueError) as error:
            raise ZooError(
                f"the checkpoint does not fit the recipe's networks: {str(error).splitlines()[0]}"
            ) from error
        if not self.ranks.is_first:
            self._seed_others()
            return
        torch.set_rng_state(tensors["random/cpu"])
        if self.parts.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.parts.device)

    def _seed_others(self) -> None:
        # The first process's random state is the recipe's, and kept in checkpoints; the others' dropout must differ.
        if not self.ranks.is_first:
            torch.manual_seed(self.parts.recipe.seed + self.ranks.rank + 1_000_003 * self.steps)

    def _networks(self) -> dict[str, nn.Module]:
        networks = {"generator": self.parts.generator, "critic": self.parts.critic, "average": self.average}
        return {name: network for name, network in networks.items() if network is not None}


def _learned(network: nn.Module) -> list[nn.Parameter]:
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not learned:
        raise ZooError(f"{type(network).__name__} has no parameter to train")
    return learned


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory ran out; the CPU's allocator has no class of its own for that."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
