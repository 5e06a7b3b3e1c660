"""Weights from a hub that is there, that is not, and that was there before."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save

from zoo import hub
from zoo.errors import ZooError

REPOSITORY = "someone/net"
COMMIT = "0" * 40
WORDS = {"what": "the weights of net", "instead": "weights=none"}


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Return what puts files into the hub's cache, as if they had been fetched; the hub itself is away."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "reachable", lambda: False)

    def put(filename: str, contents: bytes) -> Path:
        repository = tmp_path / "cache" / ("models--" + REPOSITORY.replace("/", "--"))
        file = repository / "snapshots" / COMMIT / filename
        for folder in (repository / "refs", file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(COMMIT)
        file.write_bytes(contents)
        return file

    return put


def no_network(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("the network was asked")


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_without_the_hub_what_was_fetched_before_is_used(
    revision: str | None, cached: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = cached("model.safetensors", b"weights")
    monkeypatch.setattr("socket.socket.connect", no_network)
    assert hub.fetch(REPOSITORY, "model.safetensors", revision=revision, **WORDS) == file
    assert hub.fetch(REPOSITORY, "other.safetensors", "model.safetensors", revision=revision, **WORDS) == file


def test_without_the_hub_what_was_not_fetched_is_one_clear_error_at_once(
    cached: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import constants

    cached("model.safetensors", b"weights")
    monkeypatch.setattr("socket.socket.connect", no_network)
    before = {name: getattr(constants, name) for name in dir(constants)}
    begun = time.monotonic()
    for revision, filename in ((None, "other.safetensors"), ("1" * 40, "model.safetensors")):
        with pytest.raises(ZooError, match=r"^Could not fetch the weights of net from .*someone/net.*weights=none"):
            hub.fetch(REPOSITORY, filename, revision=revision, **WORDS)
    assert time.monotonic() - begun < 15
    assert caplog.records == []
    assert {name: getattr(constants, name) for name in dir(constants)} == before


def test_with_the_hub_the_first_file_that_there_is_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def download(repository: str, filename: str, *, revision: str | None, local_files_only: bool) -> str:
        asked.append((repository, filename, revision, local_files_only))
        assert logging.getLogger("huggingface_hub").level == logging.ERROR
        if filename != "b":
            raise LocalEntryNotFoundError(filename)
        return str(tmp_path / filename)

    level = logging.getLogger("huggingface_hub").level
    monkeypatch.setattr(hub, "reachable", lambda: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert hub.fetch(REPOSITORY, "a", "b", "c", revision="v1", **WORDS) == tmp_path / "b"
    assert asked == [(REPOSITORY, name, "v1", False) for name in ("a", "b")]
    with pytest.raises(ZooError, match=f"from {constants.ENDPOINT}/{REPOSITORY}"):
        hub.fetch(REPOSITORY, "a", **WORDS)
    assert logging.getLogger("huggingface_hub").level == level


def test_a_hub_that_does_not_answer_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def head(url: str, *, timeout: float) -> None:
        asked.append(timeout)
        if len(asked) > 1:
            raise RuntimeError("no route")

    asked: list[float] = []
    monkeypatch.setattr("huggingface_hub.get_session", lambda: SimpleNamespace(head=head))
    assert not hub.reachable()  # HF_HUB_OFFLINE, in tests
    assert asked == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert hub.reachable()
    assert not hub.reachable()
    assert asked == [hub.TIMEOUT] * 2


def source(**options: Any) -> Any:
    return SimpleNamespace(**{"hf_hub_id": None, "hf_hub_filename": None, "url": None} | options)


def test_timm_is_told_the_safe_file_where_there_is_one(cached: Callable[[str, bytes], Path]) -> None:
    cached("pytorch_model.bin", b"pickled")
    cached("open_clip_pytorch_model.bin", b"pickled")
    plain = cached("model.safetensors", save({"a": torch.ones(1)}))
    clip = cached("open_clip_model.safetensors", save({"a": torch.ones(1)}))
    for filename, file in ((None, plain), ("open_clip_pytorch_model.bin", clip)):
        for repository in (REPOSITORY, f"{REPOSITORY}@{COMMIT}"):
            overlay = hub.fetch_for_timm(source(hf_hub_id=repository, hf_hub_filename=filename), **WORDS)
            assert overlay == {"file": str(file), "custom_load": False}


def test_pickled_weights_are_read_as_weights_only(cached: Callable[[str, bytes], Path], tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    state = {"a": torch.rand(2)}
    file = cached("pytorch_model.bin", b"")
    torch.save(state, file)
    overlay = hub.fetch_for_timm(source(hf_hub_id=REPOSITORY), **WORDS)
    assert torch.equal(overlay["state_dict"]["a"], state["a"])

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    torch.save({"a": Trap()}, file)
    with pytest.raises(Exception, match="Weights only load failed"):
        hub.fetch_for_timm(source(hf_hub_id=REPOSITORY), **WORDS)
    assert not ran.exists()


def test_weights_that_are_not_on_the_hub_are_downloaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    url = (tmp_path / "net.pth").as_uri()
    with pytest.raises(ZooError, match=r"^Could not fetch the weights of net from file:.*Write weights=none, or put"):
        hub.fetch_for_timm(source(url=url), **WORDS)
    torch.save({"a": torch.ones(2)}, tmp_path / "net.pth")
    for _ in range(2):
        overlay = hub.fetch_for_timm(source(url=url), **WORDS)
        assert torch.equal(overlay["state_dict"]["a"], torch.ones(2))
        (tmp_path / "net.pth").unlink(missing_ok=True)
    assert (tmp_path / "hub" / "checkpoints" / "net.pth").exists()
