"""Finds breaking changes between a published OpenAPI document and today's, in Python only.

Every build runs this; oasdiff (openapi/oasdiff.py) checks as well if Node is installed.
"""

from datetime import date
from typing import Any

from openapi.documents import Document, operations_of
from openapi.schema_fit import Side, misfits
from shared.contract.document import resolved


def breaking_changes(published: Document, today: Document, *, on: date) -> list[str]:
    """Return a sentence for each change that a client of the published document can notice.

    `on` is the day of the comparison: an operation may be removed once its published sunset has passed.
    """
    if published["openapi"].split(".")[:2] != today["openapi"].split(".")[:2]:
        return [f"OpenAPI {published['openapi']} and {today['openapi']} cannot be compared."]
    now = {(path, method): operation for path, method, operation in operations_of(today)}
    found = []
    for path, method, operation in operations_of(published):
        where = f"{method.upper()} {path}"
        here = now.get((path, method))
        if here is not None:
            found += _Comparison(published, today, where).changes(operation, here)
        elif operation.get("x-quoteway-sunset", "9999-12-31") > on.isoformat():
            found.append(f"{where} is gone, and its sunset is not past.")
    return found


class _Comparison:
    """The comparison of one operation."""

    def __init__(self, published: Document, today: Document, where: str) -> None:
        self.published, self.today, self.where = published, today, where

    def changes(self, before: Document, after: Document) -> list[str]:
        """Return what has changed for a client."""
        found = []
        if before["operationId"] != after["operationId"]:
            found.append(f"{self.where}: its operationId was {before['operationId']}, is {after['operationId']}.")
        found += self._scopes(before, after)
        found += self._parameters(before.get("parameters", []), after.get("parameters", []))
        found += self._body(before.get("requestBody"), after.get("requestBody"))
        return found + self._answers(before["responses"], after["responses"])

    def _scopes(self, before: Document, after: Document) -> list[str]:
        had = {name for each in before.get("security", []) for names in each.values() for name in names}
        needs = {name for each in after.get("security", []) for names in each.values() for name in names}
        found = [f"{self.where} needs the scope {name} as well." for name in sorted(needs - had)]
        if not before.get("security") and after.get("security") and not needs:
            found.append(f"{self.where} needs a token.")
        return found

    def _parameters(self, before: list[Document], after: list[Document]) -> list[str]:
        was = {(each["in"], each["name"]): resolved(self.published, each) for each in before}
        now = {(each["in"], each["name"]): resolved(self.today, each) for each in after}
        found = [
            f"{self.where}: the parameter {name} ({place}) is gone." for place, name in was if (place, name) not in now
        ]
        for (place, name), parameter in now.items():
            old = was.get((place, name))
            title = f"{self.where}: the parameter {name} ({place})"
            if parameter.get("required") and (old is None or not old.get("required")):
                found.append(f"{title} is required now.")
            if old is None:
                continue
            found += self._received(old["schema"], parameter["schema"], title)
            if old["schema"].get("default") != parameter["schema"].get("default"):
                found.append(f"{title} has another default.")
            found += [
                f"{title} has another {word}." for word in ("style", "explode") if old.get(word) != parameter.get(word)
            ]
        return found

    def _body(self, before: Document | None, after: Document | None) -> list[str]:
        title = f"{self.where}: the body"
        if before is None:
            return [f"{title} is required now."] if after is not None and after.get("required") else []
        if after is None:
            return [f"{title} is gone."]
        found = [f"{title} is required now."] if after.get("required") and not before.get("required") else []
        for media_type, media in before["content"].items():
            if media_type not in after["content"]:
                found.append(f"{title} as {media_type} is gone.")
            else:
                found += self._received(media["schema"], after["content"][media_type]["schema"], title)
        return found

    def _answers(self, before: Document, after: Document) -> list[str]:
        found = []
        for status, answer in before.items():
            title = f"{self.where}: the answer {status}"
            if status not in after:
                found.append(f"{title} is gone.")
                continue
            old, new = resolved(self.published, answer), resolved(self.today, after[status])
            for media_type, media in old.get("content", {}).items():
                if media_type not in new.get("content", {}):
                    found.append(f"{title} as {media_type} is gone.")
                else:
                    found += self._sent(media["schema"], new["content"][media_type]["schema"], title)
            found += self._headers(old.get("headers", {}), new.get("headers", {}), title)
        return found

    def _headers(self, before: Document, after: Document, title: str) -> list[str]:
        found = []
        for name, header in before.items():
            old = resolved(self.published, header)
            if name not in after:
                found.append(f"{title}: the header {name} is gone.")
                continue
            new = resolved(self.today, after[name])
            if old.get("required") and not new.get("required"):
                found.append(f"{title}: the header {name} may be missing.")
            found += self._sent(old["schema"], new["schema"], f"{title}: the header {name}")
        return found

    def _received(self, before: Any, after: Any, title: str) -> list[str]:
        return misfits(Side(self.published, before, old=True), Side(self.today, after, old=False), title)

    def _sent(self, before: Any, after: Any, title: str) -> list[str]:
        return misfits(Side(self.today, after, old=False), Side(self.published, before, old=True), title)


def incompatible_event(published: Document, today: Document) -> list[str]:
    """Yield a sentence for each way in which an event's consumers break.

    Consumers of the published schema receive today's events, and consumers of today's schema receive those that a
    stream still holds: both have to fit.
    """
    old, new = Side(published, published, old=True), Side(today, today, old=False)
    title = f"event {published.get('title', '?')}"
    return misfits(new, old, title) + [
        f"{finding} (an event still in a stream)"
        for finding in misfits(Side(published, published, old=False), Side(today, today, old=False), title)
    ]
