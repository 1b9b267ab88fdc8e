"""Serves a tier's contract: the documents at `/openapi.json` and `/openapi/v1.json`, a page at `/docs`.

The interactive page needs no other host: its scripts come from this tier.
"""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Contact, License
from litestar.params import FromPath

from shared.contract.document import build_document, versions_of
from shared.inbound.operation import public
from shared.problem import NotFound

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head><body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script>SwaggerUIBundle({{urls: {urls}, dom_id: "#ui", deepLinking: true, persistAuthorization: true,
validatorUrl: null, presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
layout: "StandaloneLayout"}})</script>
</body></html>"""


class _Document(JsonRenderPlugin):
    """The document, with our additions."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 ours holds more
        """Return the document as JSON."""
        return _encoded(request.app, None)


class _Page(OpenAPIRenderPlugin):
    """The interactive page, with its scripts from this tier."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page as HTML."""
        documents = [{"name": version, "url": f"/openapi/{version}.json"} for version in versions_of(request.app)]
        urls = msgspec.json.encode([*documents, {"name": "all versions", "url": "/openapi.json"}]).decode()
        return _PAGE.format(title=openapi_schema["info"]["title"], urls=urls).encode()


def contract_config(*, title: str, version: str, description: str) -> OpenAPIConfig:
    """Return Litestar's configuration for the contract: `/docs` and `/docs/openapi.json`, open to anyone."""
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
def whole_contract(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return every version in one document, at the address where tools look for it."""
    return Response(_encoded(request.app, None), media_type="application/json")


@get("/openapi/{document:str}", opt=public(), include_in_schema=False, sync_to_thread=False)
def version_contract(request: Request[Any, Any, Any], document: FromPath[str]) -> Response[bytes]:
    """Return one version's document, such as `/openapi/v1.json`: the one that is published and compared."""
    version = document.removesuffix(".json")
    if document == version or version not in versions_of(request.app):
        raise NotFound("There is no such document.")
    return Response(_encoded(request.app, version), media_type="application/json")


CONTRACT_HANDLERS = (whole_contract, version_contract)


def _encoded(app: Litestar, version: str | None) -> bytes:
    """Return the document's bytes, computed once: the contract does not change while the tier runs."""
    made: dict[str | None, bytes] = app.state.setdefault("contract_documents", {})
    if version not in made:
        made[version] = msgspec.json.encode(build_document(app, version))
    return made[version]


def _assets_folder() -> Path:
    # Only the package's files are needed; importing it would load a template engine.
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise NotFound("The interactive page is not installed here (package swagger-ui-py).")
    return Path(spec.origin).parent / "static"
