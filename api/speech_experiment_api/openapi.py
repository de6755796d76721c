"""The OpenAPI document, made from the route registry and the msgspec types it names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from .problems import CONTENT_TYPE, ProblemDocument
from .routing import Endpoint, Param

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_DESCRIPTION = (
    "Experiments, runs, curves, artifacts and results of speech models; every change is an event in a log. "
    "Numbers that JSON lacks are the strings NaN, Infinity and -Infinity."
)


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 for all endpoints."""
    types = _types(endpoints)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_type = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Speech experiment tracker",
            "version": version("speech-experiment-tracker"),
            "description": _DESCRIPTION,
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "stk_…"}},
        },
    }


def _types(endpoints: Sequence[Endpoint]) -> list[Any]:
    named = [kind for each in endpoints for kind in (each.request, each.response) if kind is not None]
    return list({id(kind): kind for kind in [ProblemDocument, *named]}.values())


def _operation(endpoint: Endpoint, schemas: Mapping[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint.path), *map(_query_parameter, endpoint.params)],
        "responses": _responses(endpoint, schemas),
        "x-role": endpoint.access,
        "security": [] if endpoint.access == "public" else [{"key": []}],
    }
    if endpoint.request is not None or endpoint.method == "PUT":
        schema = schemas.get(id(endpoint.request), {"type": "string", "format": "binary"})
        operation["requestBody"] = {"required": True, "content": {endpoint.consumes: {"schema": schema}}}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", endpoint.path.removeprefix("/api/v1"))
    return "_".join([endpoint.method.lower(), *words]) if words else f"{endpoint.method.lower()}_root"


def _responses(endpoint: Endpoint, schemas: Mapping[int, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.status != 204:
        schema = schemas.get(id(endpoint.response), {"type": "string"})
        answer["content"] = {endpoint.produces: {"schema": schema}}
    problem = {"schema": schemas[id(ProblemDocument)]}
    return {
        str(endpoint.status): answer,
        "default": {"description": "A problem document (RFC 9457)", "content": {CONTENT_TYPE: problem}},
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in _PATH_PARAMETER.findall(path)
    ]


def _query_parameter(param: Param) -> dict[str, Any]:
    schema = msgspec.json.schema(param.kind)
    return {
        "name": param.name,
        "in": "query",
        "description": param.description,
        "required": param.required,
        "schema": {"type": "array", "items": schema} if param.many else schema,
    }
