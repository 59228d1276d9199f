"""Key sets: who may open what, signed by an offline root; pure, no input or output.

A DSSE document, type `application/vnd.truck.keyset+json`: recipients with their public keys, the
kinds of stream each may open, and whether he is revoked. A key set has a name, and its version
counts up: a truck takes a higher version of the name it holds and no other. Each kind that anybody
may open has two or more active recipients, so that one lost key loses nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cloud_sync.batch import is_biometrics, keys_prefix
from cloud_sync.keyring import Algorithm, Recipient
from cloud_sync.manifest import Manifest
from hardware.errors import Damaged, Misconfigured, Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.keyset+json"
SCHEMA = "truck.keyset/1"
KEYSET_BYTES_MAX = 1 << 20
RECIPIENTS_MIN = 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELDS = {"schema", "name", "version", "recipients"}
_MEMBER_FIELDS = {"name", "key", "algorithm", "public", "kinds", "revoked"}


class Kind(StrEnum):
    """What kinds of stream have recipients of their own."""

    READINGS = "readings"
    BIOMETRICS = "biometrics"


@dataclass(frozen=True)
class Member:
    """One recipient of a key set; once revoked he stays in it, and later batches leave him out."""

    recipient: Recipient
    kinds: tuple[Kind, ...]
    revoked: bool = False


@dataclass(frozen=True)
class KeySet:
    """One version of a key set."""

    name: str
    version: int
    members: tuple[Member, ...]

    def active(self, kind: Kind) -> tuple[Recipient, ...]:
        """To whom batches of a kind are sealed, in the set's order."""
        return tuple(m.recipient for m in self.members if kind in m.kinds and not m.revoked)

    def with_member(self, member: Member) -> "KeySet":
        """This set and one more.

        Raises:
            Misconfigured: when his name or key is taken.
        """
        wider = replace(self, members=(*self.members, member))
        _refuse_doubles(wider)
        return wider

    def without(self, name: str) -> "KeySet":
        """This set, with one recipient revoked, by his name or key id.

        Raises:
            Misconfigured: when there is none of that name who is active.
        """
        found = [m for m in self.members if name in {m.recipient.name, m.recipient.key_id}]
        if not found or found[0].revoked:
            state = "is revoked already" if found else "is not in it"
            names = ", ".join(m.recipient.name for m in self.members if not m.revoked)
            raise Misconfigured(
                f"key set {self.name}: {name} {state}", f"Active are {names or 'none'}."
            )
        gone = replace(found[0], revoked=True)
        return replace(self, members=tuple(gone if m is found[0] else m for m in self.members))


def kind_of(stream: str) -> Kind:
    """What a stream carries."""
    return Kind.BIOMETRICS if is_biometrics(stream) else Kind.READINGS


def keyset_key(stream: str, version: int) -> str:
    """Where a stream's key set is stored."""
    return f"{keys_prefix(stream)}keyset-{version:06d}.json"


def check_keyset(keyset: KeySet) -> None:
    """Refuse a set that nobody should seal by.

    Raises:
        Misconfigured: no version, the same name or key twice, a kind with one active recipient.
    """
    if keyset.version < 1:
        raise Misconfigured(f"key set {keyset.name} has version {keyset.version}", "Sign it.")
    _refuse_doubles(keyset)
    for kind in Kind:
        count = len(keyset.active(kind))
        wanted = kind is Kind.READINGS or any(kind in m.kinds for m in keyset.members)
        if wanted and count < RECIPIENTS_MIN:
            raise Misconfigured(
                f"key set {keyset.name} has {count} active recipients of {kind}, two are needed",
                "Add one who keeps his key offline, so that one lost key loses nothing.",
            )


def _refuse_doubles(keyset: KeySet) -> None:
    for what, values in {
        "name": [m.recipient.name for m in keyset.members],
        "key": [m.recipient.key_id for m in keyset.members],
    }.items():
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise Misconfigured(
                f"key set {keyset.name} names the {what} {twice[0]} twice", "Leave one of them out."
            )


def encode_keyset(keyset: KeySet) -> dict[str, Any]:
    """The payload of a key set: what is signed, and what a draft file holds."""
    return {
        "schema": SCHEMA,
        "name": keyset.name,
        "version": keyset.version,
        "recipients": [
            {
                "name": member.recipient.name,
                "key": member.recipient.key_id,
                "algorithm": str(member.recipient.algorithm),
                "public": base64.b64encode(member.recipient.public_bytes).decode(),
                "kinds": [str(kind) for kind in member.kinds],
                "revoked": member.revoked,
            }
            for member in keyset.members
        ],
    }


def decode_keyset(payload: Mapping[str, Any]) -> KeySet:
    """A key set from its payload; whether one should seal by it is `check_keyset`'s to say.

    Raises:
        Refused: VERSION or MALFORMED.
    """
    if payload.get("schema") != SCHEMA:
        raise Refused(Reason.VERSION, f"key set schema {payload.get('schema')!r}")
    try:
        if payload.keys() != _FIELDS or type(payload["version"]) is not int:
            raise ValueError("fields")
        if not _NAME.fullmatch(payload["name"]):
            raise ValueError("name")
        members = tuple(_decode_member(entry) for entry in payload["recipients"])
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise Refused(Reason.MALFORMED, f"key set: {error}") from error
    return KeySet(payload["name"], payload["version"], members)


def _decode_member(entry: dict[str, Any]) -> Member:
    if entry.keys() != _MEMBER_FIELDS or type(entry["revoked"]) is not bool:
        raise ValueError("fields of a recipient")
    if not _NAME.fullmatch(entry["name"]):
        raise ValueError("name of a recipient")
    public = base64.b64decode(entry["public"], validate=True)
    recipient = Recipient(entry["name"], public, Algorithm(entry["algorithm"]))
    recipient.public_key()
    if recipient.key_id != entry["key"]:
        raise ValueError(f"the key of {recipient.name} is not the one its id names")
    return Member(recipient, tuple(Kind(kind) for kind in entry["kinds"]), entry["revoked"])


def sign_keyset(keyset: KeySet, root: SigningKey) -> bytes:
    """A key set as a DSSE envelope.

    Raises:
        Misconfigured: see `check_keyset`.
    """
    check_keyset(keyset)
    return sign_document(encode_keyset(keyset), PAYLOAD_TYPE, root)


def open_keyset(envelope: bytes, root: bytes) -> KeySet:
    """The key set in an envelope signed by `root`.

    Raises:
        Refused: OVERSIZE, SIGNATURE, MALFORMED, VERSION; a set nobody should seal by is MALFORMED.
    """
    if len(envelope) > KEYSET_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"key set of {len(envelope)} bytes")
    payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, root)
    keyset = decode_keyset(payload)
    try:
        check_keyset(keyset)
    except Misconfigured as error:
        raise Refused(Reason.MALFORMED, str(error)) from error
    return keyset


def check_successor(held: tuple[KeySet, bytes], offered: tuple[KeySet, bytes]) -> None:
    """Whether a truck that holds one key set may take another; both with their signed bytes.

    Raises:
        Misconfigured: a lower version, another name, or other bytes under the same version.
    """
    (old, old_bytes), (new, new_bytes) = held, offered
    if new.name != old.name:
        raise Misconfigured(
            f"the key set is {new.name}, this truck follows {old.name}",
            "Give it that one's next version, or begin a new epoch.",
        )
    if new.version < old.version:
        raise Misconfigured(
            f"key set {new.name} is version {new.version}, this truck holds {old.version} already",
            "Fetch the newest; an older one is never taken.",
        )
    if new.version == old.version and new_bytes != old_bytes:
        raise Misconfigured(
            f"key set {new.name} comes in two forms of version {new.version}",
            "The root signed twice; sign the next version.",
        )


def check_recipients(chain: Sequence[Manifest], keysets: Mapping[int, KeySet], kind: Kind) -> None:
    """Whether every batch was sealed to exactly the active recipients of the key set in force.

    Args:
        chain: the manifests of a stream, in order.
        keysets: the key sets that the stream holds, proven, by version.
        kind: of the stream.

    Raises:
        Damaged: naming the first batch that was not, and who is too many or missing.
    """
    before = 0
    for manifest in chain:
        batch, version = manifest.batch, manifest.keyset
        if version is None:
            raise Damaged(f"batch {batch} was sealed by no key set")
        if version < before:
            raise Damaged(f"batch {batch} was sealed by key set {version}, after {before}")
        if version not in keysets:
            raise Damaged(f"batch {batch} was sealed by key set {version}, which is missing")
        before = version
        wrong = _difference(manifest.recipients, keysets[version].active(kind))
        if wrong:
            raise Damaged(
                f"batch {batch} was not sealed to the recipients of key set {version}: {wrong}"
            )


def _difference(given: Sequence[str], due: Sequence[Recipient]) -> str:
    """Who is too many or missing among key ids, or nothing."""
    expected = {recipient.key_id: recipient.name for recipient in due}
    more = sorted(set(given) - expected.keys())
    less = sorted(name for key_id, name in expected.items() if key_id not in given)
    if more:
        return f"{', '.join(more)} is none of them"
    if less:
        return f"{', '.join(less)} was left out"
    return "one is named twice" if len(given) > len(expected) else ""
