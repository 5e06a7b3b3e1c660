"""A stand-in for the Hugging Face hub: as much of its API as it takes to publish a model there, and to fetch one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_somebody"
OWNER = "someone"


@dataclass
class Repository:
    """A repository of models."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    """Their messages."""

    @property
    def sha(self) -> str:
        return f"{len(self.commits):040x}"


@dataclass
class Hub:
    """What is there, and what was asked for."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    licenses: tuple[str, ...] = ("mit", "cc-by-4.0")
    writable: bool = True
    out_of_order: tuple[str, ...] = ()
    """Paths at which something else answers, as a proxy does."""
    asked: list[str] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Hub]:
    """Run a hub on this computer, with nothing in it."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")

    def do_HEAD(self) -> None:
        self._file() if "/resolve/" in self.path else self._answer({})

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            self._file()
            return
        name = "/".join(self.path.removeprefix("/api/models/").split("/")[:2])
        if repository := self._readable(name):
            siblings = [{"rfilename": file} for file in repository.files]
            self._answer({"id": name, "sha": repository.sha, "private": repository.private, "siblings": siblings})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path in self.hub.out_of_order:
            self._send(502, b"<html>", {})
        elif self.path == "/api/validate-yaml":
            found = re.search(r"^license: (.*)$", json.loads(body)["content"], re.MULTILINE)
            if found and found[1] not in self.hub.licenses:
                self._answer({"errors": [{"message": f'"license" is not {found[1]}'}]}, 400)
            else:
                self._answer({"errors": [], "warnings": []})
        elif not self._known():
            self._answer({"error": "Invalid user token."}, 401, "Invalid credentials in Authorization header")
        elif not self.hub.writable:
            self._answer({"error": "You don't have the rights."}, 403)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            there = name in self.hub.repositories
            private = asked.get("visibility") == "private" or asked.get("private") is True
            self.hub.repositories.setdefault(name, Repository(private=private))
            self._answer({"url": f"{self.hub.url}/{name}", "name": name}, 409 if there else 200)
        else:
            name, action = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(\w+)/main", self.path).groups()  # type: ignore[union-attr]
            repository = self.hub.repositories[name]
            if action == "preupload":
                paths = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
                self._answer({"files": modes})
            else:
                self._commit(repository, [json.loads(line) for line in body.splitlines()])
                url = f"{self.hub.url}/{name}/commit/{repository.sha}"
                self._answer({"commitUrl": url, "commitOid": repository.sha})

    def _commit(self, repository: Repository, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                repository.commits.append(value["summary"])
            elif line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _readable(self, name: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._known()):
            self._answer({"error": "Repository not found"}, 404, code="RepoNotFound")
            return None
        return repository

    def _file(self) -> None:
        name, _, path = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path).groups()  # type: ignore[union-attr]
        if repository := self._readable(name):
            data = repository.files.get(path)
            if data is None:
                self._answer({"error": "Entry not found"}, 404, code="EntryNotFound")
                return
            etag = hashlib.sha1(data).hexdigest()
            self._send(200, data, {"X-Repo-Commit": repository.sha, "ETag": f'"{etag}"'})

    def _answer(self, answer: Any, status: int = 200, message: str = "", *, code: str = "") -> None:
        headers = {"Content-Type": "application/json"}
        headers |= {"X-Error-Message": message} if message else {}
        headers |= {"X-Error-Code": code} if code else {}
        self._send(status, json.dumps(answer).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
