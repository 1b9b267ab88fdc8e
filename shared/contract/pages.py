"""Serves a tier's contract: the documents at `/openapi.json` and `/openapi/v1.json`, a page at `/docs`.

A document's further forms (`Published.profiles`) have their name before the ending: `/openapi/v1.salesforce.json`.

The interactive page needs nothing from any other host: its scripts come from this tier.
"""

import importlib.util
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Contact, License
from litestar.params import FromPath

from shared.contract.document import Document, build_document, versions_of
from shared.identity.resource_metadata import METADATA_PATH, base_url
from shared.operations.operation import public
from shared.problem import NotFound

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head><body>{notes}<div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script>SwaggerUIBundle({{urls: {urls}, dom_id: "#ui", deepLinking: true, persistAuthorization: true,
validatorUrl: null, presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
layout: "StandaloneLayout"}})</script>
</body></html>"""


_NOTES = """<div class="swagger-ui" style="max-width: 1460px; margin: auto; padding: 1em 20px"><div class="info">
<h2>How to get a token</h2>
<p>Every operation but health needs an access token (a JWT) for the audience <code>{audience}</code>, with the scopes
that the operation names, from an issuer that <a href="{metadata}">{metadata}</a> lists. Press Authorize, and paste the
token without the word Bearer.</p>
<p>In the demo, <code>.venv/bin/python -m sandbox.token --as NAME --tier {tier}</code> prints one; a wrong name lists
who can have one.</p>{deprecated}</div></div>"""
_DEPRECATED = "<h2>What is deprecated</h2><ul>{items}</ul>"

Profile = Callable[[Document], Document]
"""Makes another form of a version's document. See Published.profiles."""


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
        page = _PAGE.format(title=escape(openapi_schema["info"]["title"]), urls=urls, notes=_notes(request.app))
        return page.encode()


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
    """One version's document, such as `/openapi/v1.json`: the one that is published and compared; or a further form."""
    version, dot, form = document.removesuffix(".json").partition(".")
    profile: Profile | None = request.app.state.tier.published.profiles.get(form)
    if not document.endswith(".json") or version not in versions_of(request.app) or (dot and profile is None):
        raise NotFound("There is no such document.")
    if profile is None:
        return Response(_encoded(request.app, version), media_type="application/json")
    return Response(_profiled(request, profile, version), media_type="application/json")


CONTRACT_HANDLERS = (whole_contract, version_contract)


def _encoded(app: Litestar, version: str | None) -> bytes:
    """Return the document's bytes, computed once: the contract does not change while the tier runs."""
    made: dict[str | None, bytes] = app.state.setdefault("contract_documents", {})
    if version not in made:
        made[version] = msgspec.json.encode(build_document(app, version))
    return made[version]


def _profiled(request: Request[Any, Any, Any], profile: Profile, version: str) -> bytes:
    """Return a further form of a document, with the address at which it was asked for as its server.

    Whoever registers it elsewhere has nothing that a relative address could mean. `QUOTEWAY_PUBLIC_URL` goes before.
    """
    made = profile(msgspec.json.decode(_encoded(request.app, version)))
    where = base_url(request.scope, request.app.state.tier.published.public_url)
    if where:
        made["servers"] = [{**server, "url": where} for server in made["servers"]]
    return msgspec.json.encode(made)


def _notes(app: Litestar) -> str:
    """Return what stands above the interactive page's operations, as HTML."""
    document: Document = msgspec.json.decode(_encoded(app, None))
    items = "".join(
        f"<li><code>{method.upper()} {escape(path)}</code> {escape(_retirement(operation))}</li>"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("deprecated")
    )
    return _NOTES.format(
        audience=escape(app.state.tier.authenticator.audience),
        metadata=METADATA_PATH,
        tier=escape(app.state.tier.name),
        deprecated=_DEPRECATED.format(items=items) if items else "",
    )


def _retirement(operation: Document) -> str:
    """Return since when an operation is deprecated, until when it answers, and what to call instead."""
    until = operation.get("x-quoteway-sunset")
    successor = operation.get("x-quoteway-successor")
    parts = [
        f"is deprecated since {operation['x-quoteway-deprecation']}",
        *([f"answers until {until}"] if until else []),
        *([f"use {successor}"] if successor else []),
    ]
    return "; ".join(parts) + "."


def _assets_folder() -> Path:
    # Only the package's files are needed; importing it would load a template engine.
    spec = importlib.util.find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise NotFound("The interactive page is not installed here (package swagger-ui-py).")
    return Path(spec.origin).parent / "static"
