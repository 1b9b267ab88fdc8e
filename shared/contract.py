"""A tier's OpenAPI document: what Litestar generates, and what only we know (policy, problems, security).

Served at `/openapi.json`, with an interactive page at `/docs` that needs nothing from any other host.
"""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Contact, License
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from shared.operation import OperationPolicy, policy_of, public
from shared.problem import PROBLEM_MEDIA_TYPE, NotFound, Problem

_ASSETS = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head><body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "/openapi.json", dom_id: "#ui", deepLinking: true, persistAuthorization: true}})</script>
</body></html>"""
_READ_PROBLEMS = {
    "400": "The request is not valid; a JSON pointer names each fault.",
    "401": "No token, or not a valid one.",
    "403": "The token lacks a scope.",
    "404": "There is no such record, or none you may see.",
    "422": "A vendor refused, or holds a record that cannot be used.",
    "500": "A defect of ours; quote the correlation id.",
    "503": "A system we depend on is not available; Retry-After says when to try again.",
}
_WRITE_PROBLEMS = {
    **_READ_PROBLEMS,
    "408": "The body did not arrive in time.",
    "409": "The record's state does not allow this, or the same key is in flight.",
    "413": "The body is larger than 1 MB.",
    "422": "The vendor refused, or the idempotency key was used with another body.",
    "504": "Sent, and no trustworthy answer came: look the record up before you send again.",
}


def build_document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`, keys sorted, with policy, security and problem answers on every operation."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, problem_schemas = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas.update(problem_schemas)
    components["securitySchemes"] = {
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An RFC 9068 access token of the configured issuer, for this tier's audience.",
        }
    }
    _describe_schemas(schemas, app)
    # The first is what the tier answers unless another is asked for.
    media_types = [PROBLEM_MEDIA_TYPE, "application/json"]
    if app.state.tier.plain_problems:
        media_types.reverse()
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                described = document["paths"].get(route.path_format or "/", {}).get(method.lower())
                policy = policy_of(handler.opt) if described is not None else None
                if described is not None and policy is not None:
                    _describe(described, policy, method, media_types)
    sorted_document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document, order="deterministic"))
    return sorted_document


def _describe_schemas(schemas: dict[str, Any], app: Litestar) -> None:
    """Give each type its docstring: Litestar leaves it out for msgspec's."""
    kinds: list[Any] = [Problem]
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                signature = handler.parsed_fn_signature
                answer = signature.return_type
                kinds += [field.annotation for field in (answer, *answer.inner_types)]
                kinds += [signature.parameters["data"].annotation] if "data" in signature.parameters else []
    structs = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    _, described = msgspec.json.schema_components(structs)
    for name, schema in described.items():
        if name in schemas and "description" in schema:
            schemas[name]["description"] = inspect.cleandoc(schema["description"])


def _describe(operation: dict[str, Any], policy: OperationPolicy, method: str, media_types: list[str]) -> None:
    operation["security"] = [{"accessToken": list(policy.scopes)}]
    operation["x-quoteway-owner"] = policy.owner
    operation["x-quoteway-capability"] = policy.capability
    operation["x-quoteway-scopes"] = list(policy.scopes)
    operation["x-quoteway-rate-class"] = policy.rate
    operation["x-quoteway-audit-class"] = policy.audit
    content = {media_type: {"schema": {"$ref": "#/components/schemas/Problem"}} for media_type in media_types}
    for status, description in (_READ_PROBLEMS if method == "GET" else _WRITE_PROBLEMS).items():
        operation["responses"][status] = {"description": description, "content": content}


class _Document(JsonRenderPlugin):
    """The document, with what only we know."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 ours holds more
        """The document as JSON."""
        return msgspec.json.encode(build_document(request.app))


class _Page(OpenAPIRenderPlugin):
    """The interactive page, with its scripts from this tier."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 fixed interface
        """The page as HTML."""
        return _PAGE.format(title=openapi_schema["info"]["title"]).encode()


def contract_config(*, title: str, version: str, description: str) -> OpenAPIConfig:
    """How Litestar describes and serves the contract: at `/docs` and `/docs/openapi.json`, to anyone."""
    return OpenAPIConfig(
        title=title,
        version=version,
        description=description,
        contact=Contact(name="Quoteway platform team"),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        openapi_router=Router("/docs", route_handlers=[_asset], opt=public(), include_in_schema=False),
        render_plugins=[_Page(path="/"), _Document(path="/openapi.json", media_type=MediaType.JSON)],
    )


@get("/assets/{name:str}", sync_to_thread=False)
def _asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _ASSETS:
        raise NotFound("There is no such page.")
    return Response(
        (_assets_folder() / name).read_bytes(),
        media_type=_ASSETS[name],
        headers={"Cache-Control": "public, max-age=86400"},
    )


@get("/openapi.json", opt=public(), include_in_schema=False, sync_to_thread=False)
def contract_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The document, at the address where tools look for it."""
    return Response(msgspec.json.encode(build_document(request.app)), media_type="application/json")


def _assets_folder() -> Path:
    # Only the package's files are wanted; importing it would load a template engine that no tier needs.
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise NotFound("The interactive page is not installed here (package swagger-ui-py).")
    return Path(spec.origin).parent / "static"
