"""The page of `zoo web`, served in a thread, with a small model that takes hints."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import torch
from conftest import colourful
from serving import in_thread
from tiny import tiny
from torch import Tensor, nn
from zoo_web.server import make_app
from zoo_web.studio import Studio

from zoo.model import save_model
from zoo.registry import find_model, resolve
from zoo.testing.temporary import registered


class Painter(nn.Module):
    """Gives everything a brown, and what hints say where they are."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, lightness: Tensor, hints: Tensor) -> Tensor:
        brown = torch.tensor((0.15, 0.25)).view(1, 2, 1, 1)
        return self.weight * torch.where(hints[:, :1] > 0, hints[:, 1:], brown)


class Brown(Painter):
    """Takes no hints."""

    def forward(self, lightness: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(lightness, lightness.new_zeros(len(lightness), 3, *lightness.shape[2:]))


def photograph(width: int = 96, height: int = 64, kind: str = "JPEG", **more: Any) -> bytes:
    file = io.BytesIO()
    colourful(height, width).convert("L").save(file, kind, **more)
    return file.getvalue()


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert set(self.json) == {"error"}
        return str(self.json["error"])


@dataclass
class Web:
    """A server."""

    address: str
    folder: Path
    """Where photographs lie for a moment."""
    studio: Studio
    app: Any

    def ask(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **parameters: Any) -> Answer:
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        try:
            connection.request("GET" if body is None else "POST", path + query, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def colorize(self, body: Any, headers: Mapping[str, str] | None = None, **parameters: Any) -> Answer:
        return self.ask("/api/colorize", body, headers, **parameters)


@contextmanager
def web(folder: Path, generator: type[nn.Module] = Painter) -> Iterator[Web]:
    """Serve the page, with a model that nobody trained."""
    name = generator.__name__.lower()
    (folder / "photographs").mkdir(parents=True)
    with registered() as add, ThreadPoolExecutor(1) as colouring:
        add("generator", name, generator)
        file = folder / f"{name}.safetensors"
        save_model(file, generator().state_dict(), resolve(tiny(generator=name)), {})
        studio = Studio(find_model(str(file)), "cpu")
        app = make_app(studio, folder / "photographs", host="127.0.0.1", colouring=colouring)
        with in_thread(app) as address:
            yield Web(address, folder / "photographs", studio, app)
