"""zoo web: what OpenAPI says of it is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import jsonschema
import pytest
from webs import Web, photograph
from zoo_web.openapi import document

from zoo import serving

pytestmark = pytest.mark.skipif(not all(map(find_spec, serving.NEEDED)), reason="the extra `web` is not installed")


def test_the_description_is_of_what_there_is(server: Web) -> None:
    described = {(path, method.upper()) for path, methods in document()["paths"].items() for method in methods}
    routes = {
        (route.path.replace(":path", ""), method)
        for route in server.app.app.routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/")
    }
    assert described == routes
    assert server.ask("/openapi.json").json == document()


def test_the_description_is_well_formed() -> None:
    content = document()
    assert content["openapi"] == "3.1.0"
    assert {"title", "version"} <= content["info"].keys()
    for path, methods in content["paths"].items():
        for operation in methods.values():
            assert {"operationId", "summary", "responses"} <= operation.keys()
            in_path = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
    for one in found(content, "schema"):
        jsonschema.Draft202012Validator.check_schema(one)
    for reference in found(content, "$ref"):
        assert reference.removeprefix("#/components/schemas/") in content["components"]["schemas"]


def found(value: Any, name: str) -> Iterator[Any]:
    """All that a name stands for, anywhere."""
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key == name)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from found(one, name)


def test_answers_are_as_described(server: Web) -> None:
    content = document()

    def check(answer: Any, path: str, method: str) -> None:
        response = content["paths"][path][method]["responses"][str(answer.status)]
        kind = answer.headers["content-type"].partition(";")[0]
        schema = response["content"][kind].get("schema")
        if schema:
            jsonschema.validate(answer.json, {**schema, "components": content["components"]})
        assert {name.lower() for name in response.get("headers", {})} <= answer.headers.keys()

    check(server.ask("/api/models"), "/api/models", "get")
    check(server.ask("/api/models/natural"), "/api/models/{name}", "get")
    check(server.ask("/api/models/nope"), "/api/models/{name}", "get")
    check(server.ask("/api/preview", photograph()), "/api/preview", "post")
    check(server.ask("/api/preview", b"text"), "/api/preview", "post")
    check(server.colorize(photograph()), "/api/colorize", "post")
    check(server.colorize(photograph(), size=1), "/api/colorize", "post")
    check(server.colorize(photograph(), {"Origin": "null"}), "/api/colorize", "post")


def test_each_parameter_is_described_and_its_ends_are_right(server: Web) -> None:
    post = document()["paths"]["/api/colorize"]["post"]
    assert server.colorize(photograph(), nope=1).error == (
        f"there is no parameter 'nope': there are {', '.join(one['name'] for one in post['parameters'])}"
    )
    for one in post["parameters"]:
        if "minimum" in one["schema"]:
            over = server.colorize(photograph(), **{one["name"]: one["schema"]["maximum"] + 1})
            under = server.colorize(photograph(), **{one["name"]: one["schema"]["minimum"] - 1})
            assert (over.status, under.status) == (422, 422)
