"""Builds the API catalogue: one page of everything that is published, from the documents themselves.

The page is static and self-contained: it can be opened from a folder, mailed, or served.
"""

import tomllib
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from openapi.documents import Document, operations_of
from shared.events import EVENTS

# Kept by hand, as the page says: an operation's document does not know its callers.
_CONSUMERS = tomllib.loads((Path(__file__).resolve().parents[1] / "docs" / "api-consumers.toml").read_text())
CONSUMERS: dict[str, str] = _CONSUMERS["called_by"]
CONSUMERS_OWNER: str = _CONSUMERS["owner"]
_STYLE = """
:root{--ink:#18202b;--soft:#5b6675;--line:#dde3ea;--paper:#fff;--wash:#f5f7fa;--mark:#0b5cad;--warn:#9a4b00}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--wash)}
header,main{max-width:1180px;margin:0 auto;padding:24px}header h1{margin:0 0 4px;font-size:26px}
header p{margin:0;color:var(--soft);max-width:70ch}nav{margin-top:14px;display:flex;gap:8px;flex-wrap:wrap}
nav a{padding:4px 12px;border:1px solid var(--line);border-radius:99px;background:var(--paper);color:var(--mark);
text-decoration:none}section{background:var(--paper);border:1px solid var(--line);border-radius:10px;
padding:18px 20px;margin-bottom:20px}section h2{margin:0;font-size:19px}section>p{margin:2px 0 12px;color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:2px solid var(--line);padding:6px 10px 6px 0}
td{border-bottom:1px solid var(--line);padding:7px 10px 7px 0;vertical-align:top}tr:last-child td{border-bottom:0}
code{font:12.5px ui-monospace,monospace}.verb{font-weight:700;color:var(--mark)}
.state{padding:1px 8px;border-radius:99px;background:#e3f2e6;color:#1c6b30;white-space:nowrap}
.state.ending{background:#fdeedd;color:var(--warn)}small{color:var(--soft)}
"""


def catalogue(documents: dict[str, Document], published: dict[str, str], *, on: date) -> str:
    """Return the page. `published`: the number under which each document is published; `on`: today's date."""
    sections = [_section(name, document, published.get(name)) for name, document in sorted(documents.items())]
    links = "".join(f'<a href="#{name}">{name}</a>' for name in sorted(documents))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Quoteway API catalogue</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        "<header><h1>Quoteway API catalogue</h1><p>Every published operation and event: who answers for it, what it"
        f" is for, who calls it, and how long it stays. Made on {on.isoformat()} from the published documents."
        f" Who calls is kept by hand in docs/api-consumers.toml (owner: {escape(CONSUMERS_OWNER)}).</p>"
        f'<nav>{links}<a href="#events">events</a></nav></header>'
        f"<main>{''.join(sections)}{_events()}</main></body></html>\n"
    )


def _section(name: str, document: Document, number: str | None) -> str:
    tier = name.split("-", maxsplit=1)[0]
    rows = [
        _row(path, method, operation) for path, method, operation in operations_of(document) if operation["security"]
    ]
    version = f"published as {number}" if number else "not published yet"
    return (
        f'<section id="{name}"><h2>{escape(document["info"]["title"])}, {name.split("-")[1]}</h2>'
        f"<p>{version} · called by {escape(CONSUMERS[tier])} · "
        f'<a href="{name}.json">document</a></p><div class="wide"><table>'
        f"{_head('Operation', 'Capability', 'Owner', 'Scopes', 'Rate', 'Audit', 'Lifecycle')}{''.join(rows)}"
        "</table></div></section>"
    )


def _head(*titles: str) -> str:
    return "<tr>" + "".join(f"<th>{title}</th>" for title in titles) + "</tr>"


def _row(path: str, method: str, operation: Document) -> str:
    address = f'<span class="verb">{method.upper()}</span> <code>{escape(path)}</code>'
    cells = [
        f"{address}<br><small>{escape(operation['operationId'])}: {escape(operation['summary'])}</small>",
        escape(operation["x-quoteway-capability"]),
        escape(operation["x-quoteway-owner"]),
        "<br>".join(f"<code>{escape(scope)}</code>" for scope in operation["x-quoteway-scopes"]),
        escape(operation["x-quoteway-rate-class"]),
        escape(operation["x-quoteway-audit-class"]),
        _lifecycle(operation),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _lifecycle(operation: Document) -> str:
    if not operation.get("deprecated"):
        return '<span class="state">active</span>'
    end = f", ends {operation['x-quoteway-sunset']}" if "x-quoteway-sunset" in operation else ""
    successor = (
        f"<br><small>then {escape(operation['x-quoteway-successor'])}</small>"
        if "x-quoteway-successor" in operation
        else ""
    )
    return f'<span class="state ending">deprecated{end}</span>{successor}'


def _events() -> str:
    rows = [
        f"<tr><td><code>{event.event_type}</code></td><td>{escape(event.meaning)}</td><td>{escape(event.owner)}</td>"
        f'<td><a href="events/{event.event_type}.json">schema</a></td></tr>'
        for event in EVENTS
    ]
    return (
        '<section id="events"><h2>Events</h2><p>CloudEvents 1.0 on a Redis stream for each tenant · '
        '<a href="asyncapi.json">document</a></p><div class="wide"><table>'
        f"{_head('Event', 'Meaning', 'Owner', 'Schema')}{''.join(rows)}</table></div></section>"
    )


def numbers_of(documents: dict[str, Any]) -> dict[str, str]:
    """Return the number of each document."""
    return {name: document["info"]["version"] for name, document in documents.items()}
