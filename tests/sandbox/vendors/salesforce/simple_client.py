"""The simulator through simple-salesforce."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceError,
)

from tests.sandbox.vendors.salesforce.conftest import OrgProcess


class _RewritingAdapter(HTTPAdapter):
    """The client knows https addresses of salesforce.com only; this sends them to the sandbox."""

    def __init__(self, org_url: str) -> None:
        super().__init__()
        self._target = urlsplit(org_url)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.url = urlunsplit((self._target.scheme, self._target.netloc, parts.path, parts.query, ""))
        return super().send(request, *arguments, **options)


def _session(org: OrgProcess) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _RewritingAdapter(org.url))
    return session


def simple_client(org: OrgProcess, **options: Any) -> Salesforce:
    return Salesforce(session=_session(org), **options)


def consumer_keys(org: OrgProcess) -> dict[str, str]:
    return {"consumer_key": org.credentials["client_id"], "consumer_secret": org.credentials["client_secret"]}


def by_client_credentials(org: OrgProcess, **options: Any) -> Salesforce:
    return simple_client(org, **consumer_keys(org), domain="nordwind.my", **options)


def records_of(salesforce: Salesforce, name: str) -> Any:
    """The client's interface to one object; its own annotation names two others that this is not."""
    return getattr(salesforce, name)


def error_code(caught: pytest.ExceptionInfo[SalesforceError]) -> str:
    content: Any = caught.value.content
    return str(content[0]["errorCode"])
