"""The loop that zoo is measured against: pix2pix training as it is usually written.

Eager float32, one picture at a time through Pillow and scikit-image in the loader's processes, Adam, two optimizers,
the critic's step and then the generator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.color import rgb2lab
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class LabCrops(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, folder: Path, size: int) -> None:
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = Image.open(self.paths[index]).convert("RGB")
        scale = self.size * 1.12 / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
        left = np.random.randint(picture.width - self.size + 1)
        top = np.random.randint(picture.height - self.size + 1)
        picture = picture.crop((left, top, left + self.size, top + self.size))
        if np.random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        lab = torch.from_numpy(rgb2lab(np.asarray(picture)).astype(np.float32).transpose(2, 0, 1))
        return lab[:1] / 50 - 1, lab[1:] / 110


class Reference:
    """Trains a generator and a critic, both as they come."""

    def __init__(
        self, generator: nn.Module, critic: nn.Module, folder: Path, *, size: int, batch: int, device: torch.device
    ) -> None:
        self.generator, self.critic, self.device = generator.to(device), critic.to(device), device
        self.batch = batch
        adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.generators = torch.optim.Adam(generator.parameters(), **adam)  # type: ignore[arg-type]
        self.critics = torch.optim.Adam(critic.parameters(), **adam)  # type: ignore[arg-type]
        data = LabCrops(folder, size)
        self.loader = DataLoader(data, batch_size=batch, shuffle=True, num_workers=2, drop_last=True)
        self._batches = self._endless()

    def _endless(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def step(self) -> None:
        lightness, real = (tensor.to(self.device) for tensor in next(self._batches))
        fake = self.generator(lightness)
        for parameter in self.critic.parameters():
            parameter.requires_grad_(True)
        self.critics.zero_grad()
        on_fake = self.critic(lightness, fake.detach())
        on_real = self.critic(lightness, real)
        loss = 0.5 * (_against(on_fake, 0.0) + _against(on_real, 1.0))
        loss.backward()
        self.critics.step()
        for parameter in self.critic.parameters():
            parameter.requires_grad_(False)
        self.generators.zero_grad()
        loss = _against(self.critic(lightness, fake), 1.0) + 100 * F.l1_loss(fake, real)
        loss.backward()
        self.generators.step()
        loss.item()


def _against(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
