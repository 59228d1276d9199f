"""The enrolment desk: the event folder's tokens, and the answers it has given.

    tokens/<token>.json      whom a card was flashed for, until when, whether it was revoked
    enrolled/<token>.json    whose keys used it, and from then on the same answer; written before
                             the roster is, so that a token is used once whatever is killed when

<token> is the token's public half in hex. Several processes may use one folder.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardware import keys, topics
from hardware.authority import Authority, amend_roster, changing, check_event, newest_roster
from hardware.enrolment import (
    RelayRequest,
    Token,
    add_relay,
    judge,
    open_relay_request,
    token_public,
)
from hardware.enrolment_answer import Answer, sign_answer
from hardware.enrolment_request import EnrolmentRefused, Why
from hardware.errors import Damaged, Misconfigured

TOKEN_VALID_S = 3 * 86400.0
_CARD_SCHEMA = "truck.enrol-token/1"
_ENROLLED_SCHEMA = "truck.enrolled/1"


@dataclass(frozen=True)
class Enrolled:
    """Who used a token; `answer` is empty between the claim and the answer."""

    name: str
    serial: str
    sign_public: str
    keys_digest: str
    at_s: float
    answer: str = ""


def new_token(folder: Path, name: str, now_s: float, valid_s: float = TOKEN_VALID_S) -> bytes:
    """A fresh one-time token for the card of relay `name`: 32 bytes, to be kept on the card only.

    Tokens of that name that nobody has used are revoked: a card that is flashed again makes the
    one before worthless.

    Raises:
        NotInitialised: there is no event in the folder.
        Misconfigured: no name for a relay, or the folder cannot be written.
    """
    if not topics.is_name(name):
        raise Misconfigured(f"relay name {name!r} is no name", "Use a-z, 0-9 and -, at most 32.")
    with changing(folder):
        _revoke(folder, name)
        token = keys.new_secret()
        _write(folder, Token(name, token_public(token), now_s + valid_s))
    return token


def revoke_tokens(folder: Path, name: str) -> int:
    """Revoke the tokens of `name` that nobody has used; how many those were.

    Raises:
        NotInitialised: there is no event in the folder.
    """
    with changing(folder):
        return _revoke(folder, name)


def tokens(folder: Path) -> list[tuple[Token, Enrolled | None]]:
    """Every token of the event and who used it, by name.

    Raises:
        NotInitialised: there is no event in the folder.
        Damaged: a file in it is no token.
    """
    check_event(folder)
    found = [_read_token(path) for path in sorted((folder / "tokens").glob("*.json"))]
    found.sort(key=lambda token: (token.name, token.expires_s))
    return [(token, _enrolled(folder, token.public)) for token in found]


class Desk:
    """Takes requests and answers them; the authority is open for as long as the desk is."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder, self._authority = folder, authority

    def enrol(self, envelope: bytes, now_s: float) -> tuple[RelayRequest, bytes]:
        """What was asked, and the answer; asked again with the same keys, the same answer.

        Raises:
            EnrolmentRefused: with its name.
            Damaged: a file of the event folder.
            Misconfigured: it cannot be written.
        """
        request = open_relay_request(envelope)
        claim = Enrolled(
            request.name, request.serial, request.sign_public.hex(), request.keys_digest, now_s
        )
        with changing(self._folder):
            before = self._judge(request, now_s)
            if before is not None and before.answer:
                return request, before.answer.encode()
            self._keep(request, before or claim)
        amend_roster(
            self._folder,
            lambda newest: add_relay(newest, *_key(request)),
            self._authority,
        )
        with changing(self._folder):
            before = self._judge(request, now_s)
            if before is not None and before.answer:
                return request, before.answer.encode()
            answer = self._answer(request, now_s)
            self._keep(request, replace(before or claim, answer=answer.decode()))
        return request, answer

    def _judge(self, request: RelayRequest, now_s: float) -> Enrolled | None:
        """Who used the token before, if the request may be granted."""
        _, roster = newest_roster(self._folder)
        path = _token_path(self._folder, request.token)
        token = _read_token(path) if path.exists() else None
        before = _enrolled(self._folder, request.token)
        judge(request, token, before.keys_digest if before else None, roster, now_s)
        if before and before.answer and add_relay(roster, *_key(request)) != roster:
            raise EnrolmentRefused(Why.KEY_REVOKED, f"{request.name} was enrolled again since")
        return before

    def _keep(self, request: RelayRequest, enrolled: Enrolled) -> None:
        document = {"schema": _ENROLLED_SCHEMA} | enrolled.__dict__
        path = _enrolled_path(self._folder, request.token)
        keys.write_file(path, json.dumps(document, indent=1).encode() + b"\n")

    def _answer(self, request: RelayRequest, now_s: float) -> bytes:
        signed, roster = newest_roster(self._folder)
        ca = self._authority.ca
        answer = Answer(
            event=roster.event,
            name=request.name,
            keys_digest=request.keys_digest,
            certificate=ca.issue(request.name, (), now_s, request.tls_public).decode(),
            ca=ca.certificate_pem().decode(),
            roster=signed.decode(),
            issued_at_s=now_s,
        )
        return sign_answer(answer, self._authority.key)


def _key(request: RelayRequest) -> tuple[str, bytes]:
    return request.name, request.sign_public


def _revoke(folder: Path, name: str) -> int:
    unused = [
        token
        for token, used in tokens(folder)
        if token.name == name and not token.revoked and not (used and used.answer)
    ]
    for token in unused:
        _write(folder, replace(token, revoked=True))
    return len(unused)


def _token_path(folder: Path, public: bytes) -> Path:
    return folder / "tokens" / f"{public.hex()}.json"


def _enrolled_path(folder: Path, public: bytes) -> Path:
    return folder / "enrolled" / f"{public.hex()}.json"


def _write(folder: Path, token: Token) -> None:
    document = {
        "schema": _CARD_SCHEMA,
        "name": token.name,
        "expires_s": token.expires_s,
        "revoked": token.revoked,
    }
    path = _token_path(folder, token.public)
    keys.write_file(path, json.dumps(document).encode() + b"\n")


def _read_token(path: Path) -> Token:
    document = _read(path, _CARD_SCHEMA)
    try:
        return Token(
            str(document["name"]), bytes.fromhex(path.stem), float(document["expires_s"]),
            document["revoked"] is not False,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _enrolled(folder: Path, public: bytes) -> Enrolled | None:
    path = _enrolled_path(folder, public)
    if not path.exists():
        return None
    document = _read(path, _ENROLLED_SCHEMA)
    try:
        return Enrolled(**{k: v for k, v in document.items() if k != "schema"})
    except TypeError as error:
        raise _damaged(path) from error


def _read(path: Path, schema: str) -> dict[str, Any]:
    try:
        document = json.loads(keys.read_file(path, "enrolment"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise _damaged(path)
    return document


def _damaged(path: Path) -> Damaged:
    return Damaged(f"{path} is damaged; revoke the relay's tokens by removing it, and flash again")
