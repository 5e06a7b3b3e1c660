"""One step of both networks, and all the state that it leaves behind."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.data.picture import LabPicture
from zoo.errors import ZooError
from zoo.model import predict_chroma
from zoo.training.assembly import Assembly


class Trainer:
    """Trains a generator, and the critic that judges it where there is one."""

    def __init__(self, parts: Assembly) -> None:
        self.parts = parts
        self.steps = 0
        self.images = 0
        parts.generator.train()
        self._optimizers = {"generator": self._adam(parts.generator)}
        if parts.critic is not None:
            parts.critic.train()
            self._optimizers["critic"] = self._adam(parts.critic)

    @property
    def epochs(self) -> float:
        """Rounds through the data set so far."""
        return self.images / len(self.parts.photos)

    def set_rate(self, factor: float) -> None:
        """Set the learning rates to a share of the recipe's."""
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.parts.recipe.lr * factor

    def step(self, photos: Tensor) -> dict[str, Tensor]:
        """Take one step of the critic and one of the generator.

        Args:
            photos: uint8 (N, 3, size, size), sRGB, on the device.

        Returns:
            Loss by name: scalars, weighted, still on the device.
        """
        parts = self.parts
        real = LabPicture.of_photos(photos)
        fake = LabPicture(real.lightness, predict_chroma(parts.generator, real.lightness, parts.dtype))
        losses = {}
        if parts.critic is not None:
            losses["critic"] = self._step_critic(parts.critic, real, fake)
        losses |= self._step_generator(real, fake)
        self.steps += 1
        self.images += len(photos)
        return losses

    def _step_critic(self, critic: nn.Module, real: LabPicture, fake: LabPicture) -> Tensor:
        critic.requires_grad_(True)
        with self._autocast():
            real_logits = critic(real.lightness, real.chroma)
            fake_logits = critic(fake.lightness, fake.chroma.detach())
        loss = self.parts.objective.critic(real_logits, fake_logits)
        self._descend("critic", loss)
        return loss.detach()

    def _step_generator(self, real: LabPicture, fake: LabPicture) -> dict[str, Tensor]:
        parts = self.parts
        with self._autocast():
            losses = parts.objective.image(fake, real)
            if parts.critic is not None:
                # The generator's gradient passes through the critic; the critic's own would be thrown away.
                parts.critic.requires_grad_(False)
                losses |= parts.objective.generator(parts.critic(fake.lightness, fake.chroma))
        self._descend("generator", torch.stack(list(losses.values())).sum())
        return {name: loss.detach() for name, loss in losses.items()}

    def _descend(self, network: str, loss: Tensor) -> None:
        self._optimizers[network].zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimizers[network].step()

    def _autocast(self) -> torch.autocast:
        enabled = self.parts.dtype == torch.bfloat16
        return torch.autocast(self.parts.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        recipe = self.parts.recipe
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not learned:
            raise ZooError(f"{type(network).__name__} has no parameter to train")
        return torch.optim.Adam(learned, lr=recipe.lr, betas=(recipe.beta1, recipe.beta2), fused=True)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that the next step depends on: tensors by name, and the rest as JSON can say it."""
        tensors: dict[str, Tensor] = {"random/cpu": torch.get_rng_state()}
        if self.parts.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.parts.device)
        for name, network in self._networks().items():
            tensors |= {f"{name}/{key}": value for key, value in network.state_dict().items()}
        groups = {}
        for name, optimizer in self._optimizers.items():
            state = optimizer.state_dict()
            groups[name] = state["param_groups"]
            for index, moments in state["state"].items():
                tensors |= {f"optimizer/{name}/{index}/{key}": value for key, value in moments.items()}
        return tensors, {"steps": self.steps, "images": self.images, "optimizers": groups}

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take up a state that `state` returned, so that the next step is the one that would have followed.

        Raises:
            ZooError: it is the state of other networks.
        """
        self.steps, self.images = state["steps"], state["images"]
        try:
            for name, network in self._networks().items():
                network.load_state_dict(_under(f"{name}/", tensors))
            for name, optimizer in self._optimizers.items():
                moments: dict[int, dict[str, Tensor]] = {}
                for key, value in _under(f"optimizer/{name}/", tensors).items():
                    index, what = key.split("/")
                    moments.setdefault(int(index), {})[what] = value
                optimizer.load_state_dict({"state": moments, "param_groups": state["optimizers"][name]})
        except (RuntimeError, KeyError, ValueError) as error:
            raise ZooError(
                f"the checkpoint does not fit the recipe's networks: {str(error).splitlines()[0]}"
            ) from error
        torch.set_rng_state(tensors["random/cpu"])
        if self.parts.device.type == "cuda" and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.parts.device)

    def _networks(self) -> dict[str, nn.Module]:
        networks = {"generator": self.parts.generator}
        return networks | ({} if self.parts.critic is None else {"critic": self.parts.critic})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
