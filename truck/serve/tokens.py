"""Tokens: who may do what at the truck's doors, and until when.

A token is a document signed with the truck's key, bound to the event, in base64url so that it fits
a header or a cookie. The truck keeps none: of each it has a record, `HOME/tokens/<id>.json`, that
says whose it is and whether it was revoked. A token without a record is refused, so to delete the
record is to revoke it.
"""

import base64
import binascii
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hardware import keys
from hardware.errors import Damaged, Misconfigured, Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.token+json"
SCHEMA = "truck.token/1"
RECORD_SCHEMA = "truck.token-record/1"
ROLES = ("viewer", "press", "tv", "editor", "operator")
HOURS_MAX = 24.0 * 31
TOKEN_CHARS_MAX = 2048
NAME_CHARS_MAX = 80
_ID = re.compile(r"[0-9a-f]{16}")
_PROVEN_MAX = 1024


@dataclass(frozen=True)
class Token:
    """What a token says: `name` may act as `role` in `event`, seconds since 1970 [from, until)."""

    id: str
    event: str
    role: str
    name: str
    from_s: float
    until_s: float


@dataclass(frozen=True)
class TokenRecord:
    """What the truck keeps of a token: never the token itself."""

    id: str
    role: str
    name: str
    from_s: float
    until_s: float
    made_by: str
    revoked_at_s: float | None = None
    revoked_by: str = ""


def new_token(event: str, role: str, name: str, hours: float, now_s: float) -> Token:
    """A token's content, valid from now.

    Raises:
        Misconfigured: no such role, no name, or too long a time.
    """
    if role not in ROLES:
        raise Misconfigured(f"no token has the role {role[:32]!r}", f"One of {', '.join(ROLES)}.")
    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS_MAX:
        raise Misconfigured(
            "a token names who holds it", f"One line of at most {NAME_CHARS_MAX} characters."
        )
    if not 0.0 < hours <= HOURS_MAX:
        raise Misconfigured(f"a token cannot hold for {hours:g} hours", f"At most {HOURS_MAX:.0f}.")
    return Token(keys.new_secret()[:8].hex(), event, role, name, now_s, now_s + hours * 3600.0)


def write_token(token: Token, truck: SigningKey) -> str:
    """The token as its holder carries it."""
    envelope = sign_document({"schema": SCHEMA, **asdict(token)}, PAYLOAD_TYPE, truck)
    return _as_text(envelope)


def _as_text(envelope: bytes) -> str:
    return base64.urlsafe_b64encode(envelope).decode().rstrip("=")


def open_token(text: str, truck_public: bytes) -> Token:
    """What a token says, its signature proven; whether it holds now is another question.

    Raises:
        Refused: OVERSIZE, MALFORMED, SIGNATURE, VERSION or VALUE.
    """
    if len(text) > TOKEN_CHARS_MAX:
        raise Refused(Reason.OVERSIZE, "token")
    try:
        envelope = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(Reason.MALFORMED, "no token") from error
    if _as_text(envelope) != text:
        raise Refused(Reason.MALFORMED, "a token in another spelling")
    payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, truck_public)
    if payload.pop("schema", None) != SCHEMA:
        raise Refused(Reason.VERSION, "token")
    try:
        token = Token(**payload)
    except TypeError as error:
        raise Refused(Reason.MALFORMED, "token") from error
    words = (token.id, token.event, token.role, token.name)
    if not all(isinstance(word, str) for word in words) or not all(
        isinstance(at_s, int | float) for at_s in (token.from_s, token.until_s)
    ):
        raise Refused(Reason.MALFORMED, "token")
    if token.role not in ROLES or not _ID.fullmatch(token.id):
        raise Refused(Reason.VALUE, "token")
    return token


class Tokens:
    """The tokens of one truck and event: proves what is shown to it, keeps the records."""

    def __init__(self, folder: Path, truck_public: bytes, event: str) -> None:
        self._folder, self._public, self._event = folder, truck_public, event
        self._proven: dict[str, Token] = {}

    def prove(self, text: str, now_s: float) -> Token:
        """The token, which holds now.

        Raises:
            Refused: as `open_token`; OTHER_EVENT, NOT_YET_VALID, EXPIRED, UNKNOWN_KEY (the truck
                has no record of it) or REVOKED.
        """
        token = self._proven.get(text)
        if token is None:
            token = open_token(text, self._public)
            if len(self._proven) >= _PROVEN_MAX:
                self._proven.clear()
            self._proven[text] = token
        if token.event != self._event:
            raise Refused(Reason.OTHER_EVENT, f"a token of {token.event[:64]!r}")
        if now_s < token.from_s:
            raise Refused(Reason.NOT_YET_VALID, "token")
        if now_s >= token.until_s:
            raise Refused(Reason.EXPIRED, "token")
        record = self.record(token.id)
        if record is None:
            raise Refused(Reason.UNKNOWN_KEY, "the truck has no record of this token")
        if record.revoked_at_s is not None:
            raise Refused(Reason.REVOKED, "token")
        return token

    def keep(self, token: Token, made_by: str) -> TokenRecord:
        """Record a token that is handed out; durable on return.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        record = TokenRecord(
            token.id, token.role, token.name, token.from_s, token.until_s, made_by
        )  # fmt: skip
        self._write(record)
        return record

    def revoke(self, token_id: str, by: str, now_s: float) -> TokenRecord:
        """Let a token hold no longer; the next request with it is refused.

        Raises:
            Misconfigured: there is no such token, or the folder cannot be written.
        """
        record = self.record(token_id)
        if record is None:
            raise Misconfigured(f"no token {token_id[:32]!r}", "See `truck token list HOME`.")
        if record.revoked_at_s is None:
            record = TokenRecord(**asdict(record) | {"revoked_at_s": now_s, "revoked_by": by})
            self._write(record)
        return record

    def record(self, token_id: str) -> TokenRecord | None:
        """What is kept of a token; None for nothing.

        Raises:
            Damaged: its file is no record.
        """
        if not _ID.fullmatch(token_id):
            return None
        return self._read(self._folder / f"{token_id}.json")

    def records(self) -> list[TokenRecord]:
        """Of every token, the newest first.

        Raises:
            Damaged: a file is no record.
        """
        found = [self._read(path) for path in self._folder.glob("*.json")]
        return sorted((r for r in found if r is not None), key=lambda r: -r.from_s)

    def _write(self, record: TokenRecord) -> None:
        body = json.dumps({"schema": RECORD_SCHEMA, **asdict(record)}, sort_keys=True)
        keys.write_file(self._folder / f"{record.id}.json", body.encode() + b"\n")

    def _read(self, path: Path) -> TokenRecord | None:
        try:
            fields: Any = json.loads(path.read_bytes())
            fields.pop("schema")
            return TokenRecord(**fields)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"{path} is no record of a token; remove it to revoke it") from error
