"""One step of both networks, and all the state that it leaves behind."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo.data.batch import Batch
from zoo.device import captures
from zoo.errors import ZooError, one_line
from zoo.memory import out_of_memory
from zoo.recipe import Stage
from zoo.registry.contracts import Step
from zoo.training.activation_checkpointing import checkpoint_activations
from zoo.training.assembly import Assembly
from zoo.training.backward import Backward
from zoo.training.cuda_graph import Recorder
from zoo.training.distributed import Distributed
from zoo.training.optimizers import NetworkOptimizer, can_be_recorded, optimizer_notes
from zoo.training.state import (
    load_networks,
    load_optimizers,
    load_random_state,
    network_state,
    optimizer_state,
    random_state,
)


class Trainer:
    """Trains a generator, and the critic that judges it where there is one: both step at the end of a batch."""

    def __init__(self, assembly: Assembly, distributed: Distributed | None = None) -> None:
        self.assembly = assembly
        self.distributed = distributed or Distributed()
        self.steps = 0
        self.images = 0
        self.data_state: Any = None
        """Of a data set that is read as a stream: its state after the last photographs that were learned from."""
        self.micro_batch = self.distributed.batch_per_process(assembly.recipe.batch)
        """Images on the device at once. Halved when memory runs out."""
        self.skipped = torch.zeros((), device=assembly.device)
        """Steps not taken since a gradient was not a number."""
        self.skipped_in_a_row = torch.zeros((), device=assembly.device)
        self.now = Step(*torch.zeros(2, device=assembly.device), missing="there is no critic: write --critic NAME")
        """Where the run is, as losses see it. A graph of a step finds it in this very memory."""
        self.fallback = ""
        """What made training faster and was given up, and why, in words; empty if nothing was."""
        self._buffers_before: list[tuple[Tensor, Tensor]] = []
        """Each buffer, and what it was before the step."""
        self._fits: set[Hashable] = set()
        """Forms of a step that all of several processes had memory for."""
        # Processes that wait for one another within a step cannot record it.
        recorded = captures(assembly.recipe.compile, assembly.device) and self.distributed.world_size == 1
        if recorded and not can_be_recorded(assembly.plan.optimizer):
            recorded = False
            self.fallback = f"a step with {assembly.plan.optimizer.name} cannot be a CUDA graph, going on without"
        self.recorder = Recorder() if recorded else None
        if assembly.recipe.sync_batch_norm:
            assembly.generator = self.distributed.sync_batch_norm(assembly.generator)
            assembly.critic = None if assembly.critic is None else self.distributed.sync_batch_norm(assembly.critic)
        optimizer = assembly.plan.optimizer
        networks = {"generator": assembly.generator, "critic": assembly.critic}
        self.optimizers = {
            name: NetworkOptimizer(
                optimizer.make,
                optimizer.component,
                network,
                self._lr(name),
                recorded=recorded,
                others=assembly.objective.trainable if name == "generator" else (),
            )
            for name, network in networks.items()
            if network is not None
        }
        self.note = optimizer_notes(self.optimizers["generator"], assembly.recipe.lr_decay)
        """What of the recipe has no effect, in words; empty if all of it has."""
        averaged = assembly.recipe.ema_decay or self.optimizers["generator"].averages
        # Before the wrapping: a network's copy is a network.
        self.ema = copy.deepcopy(assembly.generator).eval().requires_grad_(False) if averaged else None
        """The generator's exponential moving average, or the average that its optimizer keeps, or None."""
        if assembly.recipe.memory == "low":
            checkpoint_activations(assembly.generator)
        self.backward = Backward(assembly, self.distributed)
        self._seed_others()

    @property
    def eval_generator(self) -> nn.Module:
        """What to validate and to save: the moving average where one is kept."""
        self._take_average()
        return self.ema or self.assembly.generator

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that have a state, by name."""
        networks = {"generator": self.assembly.generator, "critic": self.assembly.critic, "ema": self.ema}
        return {name: network for name, network in networks.items() if network is not None}

    @property
    def is_healthy(self) -> bool:
        """Whether the newest step was taken. Waits for the device."""
        return float(self.skipped_in_a_row) == 0

    @property
    def epochs(self) -> float:
        """Rounds through the data set so far; 0 where nobody knows how long it is."""
        return self.images / (self.assembly.length or math.inf)

    def set_lr(self, factor: float, critic: float = 1.0) -> None:
        """Set the learning rates to the recipe's, times a factor; the critic's times another one, too."""
        for name, optimizer in self.optimizers.items():
            own = factor * critic if name == "critic" else factor
            optimizer.set_lr(own, recorded=self.recorder is not None)

    def sync_buffers(self) -> None:
        """Make what several processes counted each for itself, batch norm's statistics, the same for all."""
        for module in (*self.networks.values(), *self.assembly.objective.modules.values()):
            self.distributed.average_buffers(module)

    def step(self, batch: Batch, stage: Stage = "gan", progress: float = 0.0) -> dict[str, Tensor]:
        """Take one step of both networks, or of one, in micro-batches if memory asks for it.

        A step whose losses or gradients are not numbers changes no weight, and is counted.

        Args:
            batch: on the device; this process's part of it.
            stage: who learns: the generator from image losses alone, the critic alone, or both (gan).
            progress: how much of the run is done, from 0 to 1.

        Returns:
            Loss by name: scalars, weighted, means over all processes, still on the device.

        Raises:
            torch.OutOfMemoryError: not even one image fits.
        """
        self.now.number.fill_(self.steps)
        self.now.progress.fill_(progress)
        losses = self._replay(batch, stage) if self.recorder is not None else None
        if losses is None:
            losses = self._eager_step(batch, stage)
        self.steps += 1
        if self.steps == 1:
            # What cannot be kept is said now, and not when there is something to lose.
            optimizer_state(self.optimizers)
        self.images += len(batch) * self.distributed.world_size
        self.data_state = batch.state
        if self.ema is not None and stage != "critic" and not self.optimizers["generator"].averages:
            self._update_ema(self.ema)
        return losses

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on: tensors by name, and the rest as JSON can say it."""
        self._take_average()
        moments, rest = optimizer_state(self.optimizers)
        counts = {"skipped/ever": self.skipped, "skipped/in_a_row": self.skipped_in_a_row}
        tensors = random_state(self.assembly.device) | counts | network_state(self.networks) | moments
        tensors |= self.assembly.objective.state()
        about = {"steps": self.steps, "images": self.images, "micro_batch": self.micro_batch, "optimizers": rest}
        about["data"] = self.data_state
        # Sums end in other bits with another number of them.
        return tensors, about | {"threads": torch.get_num_threads() if self._is_alone_on_a_cpu else None}

    def restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Take up what `state` returned, so that the next step is the one that would have followed.

        Raises:
            ZooError: it is the state of other networks.
        """
        device = self.assembly.device
        self.steps, self.images, self.micro_batch = about["steps"], about["images"], about["micro_batch"]
        self.data_state = about.get("data")
        if self.recorder is not None:
            self.recorder.forget()
        threads = self.assembly.recipe.threads or (about.get("threads") if self._is_alone_on_a_cpu else None)
        if threads is not None:
            torch.set_num_threads(min(threads, torch.get_num_threads()))
        try:
            load_networks(self.networks, tensors)
            self.assembly.objective.load_state(tensors)
            load_optimizers(
                self.optimizers,
                tensors,
                about["optimizers"],
                capturable=self.recorder is not None,
            )
            self.skipped = tensors["skipped/ever"].to(device)
            self.skipped_in_a_row = tensors["skipped/in_a_row"].to(device)
        except (RuntimeError, LookupError, TypeError, ValueError) as error:
            raise ZooError(
                f"the checkpoint does not fit the recipe's networks: {str(error).splitlines()[0]}"
            ) from error
        if self.distributed.is_main:
            load_random_state(tensors, device)
        else:
            self._seed_others()

    @property
    def _is_alone_on_a_cpu(self) -> bool:
        return self.assembly.device.type == "cpu" and self.distributed.world_size == 1

    def _seed_others(self) -> None:
        # The main process's random state is the recipe's, and kept in checkpoints; the others' dropout must differ.
        if not self.distributed.is_main:
            torch.manual_seed(self.assembly.recipe.seed + self.distributed.rank + 1_000_003 * self.steps)

    def _form(self, batch: Batch, stage: Stage) -> Hashable:
        """What a step's operations and its memory depend on."""
        return stage, batch.form, self.micro_batch, self.assembly.objective.due(self.steps)

    def _replay(self, batch: Batch, stage: Stage) -> dict[str, Tensor] | None:
        assert self.recorder is not None
        try:
            return self.recorder.replay(
                self._form(batch, stage),
                batch.tensors,
                lambda *same: self._optimize(self._gradients(batch.of(same), stage)),
            )
        except Exception as error:
            self.recorder = None
            self.fallback = f"the step cannot be a CUDA graph, going on without: {one_line(error)}"
            return None

    def _eager_step(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        # Several processes average their gradients within the backward pass, where none may fail and begin again. So
        # until a step of this form has gone well on all of them, each computes its own first, and then they meet.
        several = self.distributed.world_size > 1 and not self.assembly.recipe.sync_batch_norm
        alone = several and self._form(batch, stage) not in self._fits
        losses = self._gradients_that_fit(batch, stage, alone)
        if alone:
            self.micro_batch = self.distributed.smallest(self.micro_batch, batch.photos.device)
            self._fits.add(self._form(batch, stage))
        apart = self.backward.all_parameters if alone else self.backward.of_losses
        self.distributed.average([p.grad for p in apart if p.grad is not None])
        return self._optimize(losses)

    def _gradients_that_fit(self, batch: Batch, stage: Stage, alone: bool) -> dict[str, Tensor]:
        """Take smaller micro-batches where memory runs out, and do without the compiler where it fails."""
        while True:
            try:
                return self._gradients(batch, stage, alone)
            except Exception as error:
                if self.backward.compiled and not out_of_memory(error):
                    # What is not the compiler's fault comes again without it.
                    self.fallback = f"torch.compile gave up, going on without it: {one_line(error)}"
                    self.backward.without_compiler()
                    continue
                several = self.distributed.world_size > 1
                if not out_of_memory(error) or self.micro_batch == 1 or (several and not alone):
                    raise
            # Outside of the except clause, where the traceback no longer holds on to the activations.
            self.micro_batch = (min(self.micro_batch, len(batch)) + 1) // 2
            self.backward.zero_grad()
            if self.assembly.device.type == "cuda":
                torch.cuda.empty_cache()

    def _gradients(self, batch: Batch, stage: Stage, alone: bool = False) -> dict[str, Tensor]:
        self._buffers_before = [(buffer, buffer.clone()) for buffer in self._buffers()]
        size = self.micro_batch
        due = self.assembly.objective.due(self.steps)
        return self.backward(batch, stage, step=self.now, due=due, micro_batch=size, alone=alone)

    def _optimize(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Move the networks, unless something is not a number; return the losses' means over all processes."""
        if self.distributed.world_size > 1:
            means = self.distributed.sum(torch.stack(list(losses.values()))) / self.distributed.world_size
            losses = dict(zip(losses, means.unbind(), strict=True))
        gradients = [p.grad for p in self.backward.all_parameters if p.grad is not None]
        # One number decides for both networks, and nobody waits for it: the optimizers read it on the device.
        norm = torch.nn.utils.get_total_norm(gradients) + torch.stack(list(losses.values())).sum()
        not_a_number = (~torch.isfinite(norm)).float()
        for optimizer in self.optimizers.values():
            optimizer.step(not_a_number)
        # Batch norm's statistics moved in the forward pass, before anybody knew.
        for buffer, before in self._buffers_before:
            torch.where(not_a_number.bool(), before, buffer, out=buffer)
        self.skipped += not_a_number
        self.skipped_in_a_row.add_(1).mul_(not_a_number)
        return losses

    def _buffers(self) -> Iterator[Tensor]:
        """Yield the buffers that training changes."""
        modules = self.assembly.objective.modules.values()
        for network in (self.assembly.generator, self.assembly.critic, *modules):
            yield from () if network is None else network.buffers()

    @torch.no_grad()
    def _update_ema(self, ema: nn.Module) -> None:
        # A young average forgets faster: otherwise the random weights of the start would linger in it.
        decay = min(self.assembly.recipe.ema_decay, (1 + self.steps) / (10 + self.steps))
        new, old = self.assembly.generator.state_dict(), ema.state_dict()
        moving = [name for name, value in new.items() if value.is_floating_point()]
        torch._foreach_lerp_([old[name] for name in moving], [new[name] for name in moving], 1 - decay)
        for name in new.keys() - set(moving):
            old[name].copy_(new[name])

    def _take_average(self) -> None:
        """Bring the copy of the generator up to date, where it is its optimizer that averages."""
        optimizer = self.optimizers["generator"]
        if self.ema is not None and optimizer.averages:
            with optimizer.averaged():
                self.ema.load_state_dict(self.assembly.generator.state_dict())

    def _lr(self, network: str) -> float:
        recipe = self.assembly.recipe
        return recipe.lr_critic or recipe.lr if network == "critic" else recipe.lr
