"""Which precision, and which layout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.device import pick_dtype, pick_memory_format

PLAIN = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 2, 3))
DEPTHWISE = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 2, 1))


@pytest.mark.parametrize(
    ("wanted", "device", "network", "dtype"),
    [
        ("auto", "cpu", PLAIN, torch.bfloat16),
        ("auto", "cpu", DEPTHWISE, torch.float32),
        ("auto", "cuda", DEPTHWISE, torch.bfloat16),
        ("bf16", "cpu", DEPTHWISE, torch.bfloat16),
        ("float32", "cuda", PLAIN, torch.float32),
    ],
)
def test_bfloat16_is_taken_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, wanted: str, device: str, network: nn.Module, dtype: torch.dtype
) -> None:
    monkeypatch.setattr("zoo.device._fast_at_bf16", lambda _device: True)
    assert pick_dtype(wanted, torch.device(device), network) == dtype


def test_a_convolution_of_one_channel_is_not_taken_for_a_depthwise_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.device._fast_at_bf16", lambda _device: True)
    assert pick_dtype("auto", torch.device("cpu"), nn.Conv2d(1, 4, 3)) == torch.bfloat16


@pytest.mark.parametrize(
    ("device", "layout"),
    [("cpu", torch.channels_last), ("cuda", torch.channels_last), ("mps", torch.contiguous_format)],
)
def test_convolutions_get_the_layout_that_they_are_fastest_in(device: str, layout: torch.memory_format) -> None:
    assert pick_memory_format(torch.device(device)) == layout
