"""SOAP login at /services/Soap/u/{version}: the one SOAP call that older clients need to get a session.

Source: the SOAP API's login() call; it exists in versions 31.0 to 64.0 only ("Platform SOAP API login() Retirement").
"""

from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from sandbox.vendors.salesforce.catalogue import USER
from sandbox.vendors.salesforce.errors import SalesforceError
from sandbox.vendors.salesforce.org.org import Org

OLDEST_VERSION = 31
NEWEST_VERSION = 64
_MEDIA_TYPE = "text/xml;charset=UTF-8"
_NAMESPACES = {"partner": "urn:partner.soap.sforce.com"}


class SoapLogin:
    def __init__(self, org: Org) -> None:
        self._org = org

    async def log_in(self, request: Request) -> Response:
        try:
            self._org.refusals.check("POST", request.url.path)
            _require_version(request.path_params["version"])
            username, password = _read_credentials(await request.body())
            user_id = self._user(username, password)
        except SalesforceError as error:
            return Response(_fault(error), status_code=500, media_type=_MEDIA_TYPE)
        return Response(self._result(request.path_params["version"], user_id), media_type=_MEDIA_TYPE)

    def _user(self, username: str, password: str) -> str:
        credentials = self._org.credentials
        user_id = self._org.user_id_of(username)
        right_user = username.casefold() == credentials.username.casefold()
        if user_id is None or not right_user or not credentials.is_password(password):
            message = "Invalid username, password, security token; or user locked out."
            raise SalesforceError("INVALID_LOGIN", message)
        return user_id

    def _result(self, version: str, user_id: str) -> str:
        org = self._org
        user = org.store.require(USER, user_id)
        soap_url = f"{org.settings.instance_url}/services/Soap/u/{version}/{org.profile.organization_id[:15]}"
        elements = {
            "metadataServerUrl": soap_url.replace("/Soap/u/", "/Soap/m/"),
            "passwordExpired": "false",
            "sandbox": "true",
            "serverUrl": soap_url,
            "sessionId": org.sessions.open(user_id),
            "userId": user_id,
        }
        info = {
            "organizationId": org.profile.organization_id,
            "organizationName": org.profile.name,
            "sessionSecondsValid": str(org.sessions.life_s),
            "userEmail": str(user["Email"]),
            "userFullName": str(user["Name"]),
            "userId": user_id,
            "userName": str(user["Username"]),
        }
        result = f"{_elements(elements)}<userInfo>{_elements(info)}</userInfo>"
        return _envelope(f"<loginResponse><result>{result}</result></loginResponse>")


def _require_version(text: str) -> None:
    number = text.partition(".")[0]
    if not number.isdigit() or int(number) < OLDEST_VERSION:
        raise SalesforceError("UNSUPPORTED_API_VERSION", f"Invalid Api version specified on URL: {text}")
    if int(number) > NEWEST_VERSION:
        message = (
            f"login() is not available in API version {text}: log in with OAuth, or up to version {NEWEST_VERSION}.0"
        )
        raise SalesforceError("INVALID_OPERATION", message)


def _read_credentials(body: bytes) -> tuple[str, str]:
    # Without a document type there are no entities to expand, and no client sends one.
    if b"<!" in body:
        raise SalesforceError("INVALID_SOAP_HEADER", "the envelope must not contain declarations")
    try:
        root = ET.fromstring(body)  # noqa: S314 - declarations, the danger meant here, are refused above
    except ET.ParseError as error:
        raise SalesforceError("INVALID_SOAP_HEADER", f"the envelope is not XML: {error}") from error
    login = root.find(".//partner:login", _NAMESPACES)
    if login is None:
        raise SalesforceError("INVALID_OPERATION", "only the login operation is available here")
    username = login.findtext("partner:username", "", _NAMESPACES)
    return username.strip(), login.findtext("partner:password", "", _NAMESPACES).strip()


def _elements(values: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _fault(error: SalesforceError) -> str:
    code, message = escape(error.error_code), escape(error.message)
    return _envelope(
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"
    )


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
