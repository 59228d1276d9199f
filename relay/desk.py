"""The crew's enrolment desk as a relay sees it: HTTPS, known by what the card carries.

The desk's certificate must be of the event's CA and for the desk's name, whatever its address is.
Its dates are not looked at: a node that boots for the first time knows no time, and a certificate
that is a day too old is no risk beside one of another event.
"""

import email.utils
import json
import socket
import ssl
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

from hardware.enrolment import DESK_HOST, PATH
from hardware.errors import Exit, Misconfigured, TruckError, Unavailable
from hardware.node import Address

_WAIT_S = 10.0
_ANSWER_BYTES_MAX = 8 << 20
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME; Python's ssl has no name for it
_AGAIN = (408, 429, 500, 502, 503, 504)


class Reply(NamedTuple):
    """The desk's answer, and the time it told, seconds since 1970; None where it told none."""

    body: bytes
    at_s: float | None


class DeskRefused(TruckError):
    """The desk said no, and why; what this node has stays as it is."""

    exit_code = Exit.DAMAGED


def ask_desk(address: Address, ca_pem: str, request: bytes) -> Reply:
    """Hand in a request.

    Raises:
        Unavailable: nobody is there, or he hangs up; ask again.
        Misconfigured: it is not this event's desk.
        DeskRefused: with the desk's own sentence.
    """
    where = f"the enrolment desk at {address.host}:{address.port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        context.load_verify_locations(cadata=ca_pem)
        with (
            socket.create_connection((address.host, address.port), _WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=DESK_HOST) as wire,
        ):
            link = HTTPConnection(address.host, address.port, timeout=_WAIT_S)
            link.sock = wire
            link.request("POST", PATH, request, {"Content-Type": "application/json"})
            response = link.getresponse()
            body = response.read(_ANSWER_BYTES_MAX)
            at_s = _instant_s(response.headers.get("Date", ""))
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(
            f"{where} is not this event's: {error.verify_message}",
            "Somebody else answers there, or the card is of another event.",
        ) from error
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{where} cannot be asked: {error}") from error
    if response.status == 200:
        return Reply(body, at_s)
    sentence = _sentence(body) or f"it answered with {response.status}"
    if response.status in _AGAIN:
        raise Unavailable(f"{where}: {sentence}")
    raise DeskRefused(f"{where} has {sentence}")


def _sentence(body: bytes) -> str:
    try:
        return str(json.loads(body)["sentence"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _instant_s(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None
