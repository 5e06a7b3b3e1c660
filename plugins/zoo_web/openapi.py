"""What programs may ask of the server, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from zoo.versions import zoo_version
from zoo_web import limits

_Json = dict[str, Any]


def document() -> _Json:
    """Return the description of the server, as JSON."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoo web",
            "version": zoo_version(),
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Gives photographs their colours, and keeps nothing of them. "
            f"A photograph has {limits.MEGABYTES} MB and {limits.MEGAPIXELS} megapixels at most.",
        },
        "paths": {
            "/api/models": {
                "get": {
                    "operationId": "listModels",
                    "summary": "The models that there are. None is loaded for it.",
                    "responses": {"200": _json("The models, the default one first.", "Models"), **_errors(403)},
                }
            },
            "/api/models/{name}": {
                "get": {
                    "operationId": "loadModel",
                    "summary": "Load a model, so that the next photograph need not wait for it, and say what it takes.",
                    "parameters": [
                        {
                            "name": "name",
                            "in": "path",
                            "required": True,
                            "description": "One of those that are listed.",
                            "schema": {"type": "string"},
                        }
                    ],
                    "responses": {"200": _json("The model.", "Model"), **_errors(403, 404, 422)},
                }
            },
            "/api/preview": {
                "post": {
                    "operationId": "previewPhotograph",
                    "summary": "A photograph as browsers can show it, of whatever kind it is.",
                    "parameters": [_NAME],
                    "requestBody": _PHOTOGRAPH,
                    "responses": {
                        "200": _file("The photograph, upright and made smaller.", "image/jpeg"),
                        **_errors(403, 408, 413, 422, 503),
                    },
                }
            },
            "/api/colorize": {
                "post": {
                    "operationId": "colorizePhotograph",
                    "summary": "Give a photograph its colours.",
                    "parameters": [_NAME, *_wishes()],
                    "requestBody": _PHOTOGRAPH,
                    "responses": {
                        "200": {
                            **_file("The coloured photograph, at its own size.", "image/png"),
                            "headers": {
                                "Content-Disposition": {
                                    "description": "What its file is to be called.",
                                    "schema": {"type": "string"},
                                },
                                "X-Zoo-Seconds": {
                                    "description": "How long it took, without waiting for others.",
                                    "schema": {"type": "number"},
                                },
                            },
                        },
                        **_errors(403, 404, 408, 413, 422, 503),
                    },
                }
            },
        },
        "components": {"schemas": _SCHEMAS},
    }


_NAME: _Json = {
    "name": "name",
    "in": "query",
    "description": "What the photograph's file is called. The coloured one gets the same name, and another suffix.",
    "schema": {"type": "string", "default": "photograph"},
    "example": "grandmother.jpg",
}
_PHOTOGRAPH: _Json = {
    "required": True,
    "description": "The photograph's file: JPEG, PNG, TIFF, WebP and whatever else zoo reads.",
    "content": {"application/octet-stream": {}, "image/*": {}},
}
_SCHEMAS: _Json = {
    "Model": {
        "type": "object",
        "required": ["name", "summary", "default", "loaded", "size", "takes"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "summary": {"type": "string"},
            "default": {"type": "boolean", "description": "Whether it counts where none is named."},
            "loaded": {"type": "boolean", "description": "Whether it is in memory. One of them is."},
            "size": {
                "type": ["integer", "null"],
                "description": "Short side that it sees of a photograph, in pixels. Null until it was loaded once.",
            },
            "takes": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "description": "What it takes beside photographs, such as hints. Null until it was loaded once.",
            },
        },
    },
    "Models": {
        "type": "object",
        "required": ["models"],
        "additionalProperties": False,
        "properties": {"models": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Model"}}},
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "additionalProperties": False,
        "properties": {"error": {"type": "string", "description": "What was wrong, in a sentence."}},
    },
}
_ERRORS = {
    403: "It comes from a page of another site, or under a name that is not this server's.",
    404: "There is no such model.",
    408: f"The photograph took longer than {limits.SECONDS} seconds to arrive.",
    413: "The photograph has too many bytes, too many pixels, or more than there is memory for.",
    422: "It cannot be done as asked: the photograph is broken, or a parameter makes no sense.",
    503: f"{limits.WAITING} photographs are waiting already. Try again in a moment.",
}


def _wishes() -> list[_Json]:
    low, high = limits.SATURATION
    return [
        _parameter("model", "One of those that are listed; by default, the default one.", {"type": "string"}),
        _parameter(
            "saturation",
            "What chroma is multiplied by: 0.8 is calmer, 1.3 bolder.",
            {"type": "number", "minimum": low, "maximum": high, "default": 1},
        ),
        _parameter(
            "size",
            "Short side that the model sees, in pixels; by default the one it learned at.",
            {"type": "integer", "minimum": limits.SIZE[0], "maximum": limits.SIZE[1]},
        ),
        _parameter(
            "seed",
            "Of models that draw noise: another one, other colours.",
            {"type": "integer", "minimum": limits.SEED[0], "maximum": limits.SEED[1], "default": 0},
        ),
        _parameter(
            "hint",
            "x,y,#rrggbb: a colour at a pixel of the photograph as it is seen, for models that take hints.",
            {
                "type": "array",
                "maxItems": limits.HINTS,
                "items": {"type": "string", "pattern": r"^\s*\d{1,9}\s*,\s*\d{1,9}\s*,\s*#[0-9a-fA-F]{6}\s*$"},
            },
        ),
    ]


def _parameter(name: str, description: str, schema: _Json) -> _Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _json(description: str, schema: str) -> _Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _file(description: str, kind: str) -> _Json:
    return {"description": description, "content": {kind: {}}}


def _errors(*statuses: int) -> _Json:
    return {str(status): _json(_ERRORS[status], "Error") for status in statuses}
