"""Describes the changes between two documents for their readers. Breaking changes are the gate's business."""

from typing import Any

from openapi.documents import Document, operations_of

_WORDS = frozenset({"description", "summary", "title", "examples", "example", "contact", "license", "tags"})


def changes_between(before: Document, after: Document) -> list[str]:
    """Return a sentence for each change; `Words …` if only descriptions and examples changed."""
    if "paths" in before:
        found = _operations(before, after) + _members("type", _schemas(before), _schemas(after))
    elif "channels" in before:
        found = _members("channel", before["channels"], after["channels"])
        found += _members("message", before["components"]["messages"], after["components"]["messages"])
    else:
        found = _members("member", before.get("properties", {}), after.get("properties", {}))
    if not found and _bare(before) != _bare(after):
        found = ["Details of its types changed."]
    return found or ["Words and examples only."]


def _operations(before: Document, after: Document) -> list[str]:
    was = {f"{method.upper()} {path}": operation for path, method, operation in operations_of(before)}
    now = {f"{method.upper()} {path}": operation for path, method, operation in operations_of(after)}
    found = [f"New operation {name}: {now[name]['summary']}." for name in now if name not in was]
    found += [f"Gone: {name}." for name in was if name not in now]
    for name, operation in now.items():
        old = was.get(name)
        if old is None:
            continue
        if operation.get("deprecated") and not old.get("deprecated"):
            end = operation.get("x-quoteway-sunset", "a day not yet named")
            found.append(f"Deprecated: {name} ends on {end}. Use {operation.get('x-quoteway-successor', 'another')}.")
        new_parameters = {each["name"] for each in operation.get("parameters", [])}
        old_parameters = {each["name"] for each in old.get("parameters", [])}
        found += [f"{name} takes {each}." for each in sorted(new_parameters - old_parameters)]
        statuses = sorted(set(operation["responses"]) - set(old["responses"]))
        found += [f"{name} can answer {', '.join(statuses)}."] if statuses else []
    return found


def _schemas(document: Document) -> Document:
    found: Document = document["components"]["schemas"]
    return found


def _members(kind: str, before: Document, after: Document) -> list[str]:
    found = [f"New {kind} {name}." for name in after if name not in before]
    found += [f"Gone: the {kind} {name}." for name in before if name not in after]
    for name in after:
        if name in before:
            new = set(after[name].get("properties", {})) - set(before[name].get("properties", {}))
            found += [f"{name} has {each}." for each in sorted(new)]
    return found


def _bare(value: Any) -> Any:
    """Return the document without words and version numbers."""
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if name not in _WORDS and name != "info"}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value
