"""Auditing keys: what a stream's key documents prove, without any private key.

With the root's public key, that every batch was sealed to exactly the recipients of the key set in
force. Of biometrics, that each rider's key is the one its manifest names, or that its destruction
is signed: a key that is missing without an erasure is an alarm, one that is served in spite of an
erasure is another.
"""

import datetime as dt
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cloud_sync.batch import keys_prefix
from cloud_sync.erasure import ERASURE_BYTES_MAX, Erasure, erasure_prefix, open_erasure
from cloud_sync.keyset import (
    KEYSET_BYTES_MAX,
    KeySet,
    check_recipients,
    keyset_key,
    kind_of,
    open_keyset,
)
from cloud_sync.manifest import Manifest
from cloud_sync.remote import NotThere, Remote
from cloud_sync.rider_keys import RIDER_KEY_BYTES_MAX, check_document, rider_key_key
from cloud_sync.tampering import Finding, Tampered, Tampering
from hardware.errors import Damaged, Refused

_THREADS = 8
_KEYSET = re.compile(r"keyset-(\d{6,})\.json", re.ASCII)


@dataclass(frozen=True)
class Trust:
    """Public keys besides the truck's: of the key sets' offline root, and of the cloud team."""

    root: bytes | None = None
    cloud: bytes | None = None

    @property
    def erasers(self) -> list[bytes]:
        """Who may sign erasures."""
        return [key for key in (self.cloud, self.root) if key is not None]


@dataclass
class KeyAudit:
    """What the key documents of a stream prove; `erased` is by rider key."""

    stream: str
    newest: KeySet | None = None
    riders: int = 0
    erased: dict[str, Erasure] = field(default_factory=dict)
    failures: list[Finding] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """As it is shown."""
        newest = self.newest
        return {
            "keyset": {"name": newest.name, "version": newest.version} if newest else None,
            "rider_keys": self.riders,
            "erasures": [
                {
                    "rider_keys": len(erasure.rider_keys),
                    "by": erasure.by,
                    "reason": erasure.reason,
                    "at": dt.datetime.fromtimestamp(erasure.at_s, dt.UTC).isoformat(),
                }
                for erasure in dict.fromkeys(self.erased.values())
            ],
        }


def audit_keys(remote: Remote, stream: str, chain: Sequence[Manifest], trust: Trust) -> KeyAudit:
    """Look at every key document of a stream; what does not hold is a named failure."""
    audit = KeyAudit(stream)
    if trust.root is not None:
        try:
            keysets = _keysets(remote, stream, trust.root)
            check_recipients(chain, keysets, kind_of(stream))
            audit.newest = keysets[chain[-1].keyset or 0] if chain else None
        except Damaged as error:
            found = Finding.of(error)
            is_named = found.reason is not Tampering.OTHER
            audit.failures.append(
                found if is_named else Finding(Tampering.KEYSET_RECIPIENTS, found.what)
            )
    named = list(dict.fromkeys(key_id for manifest in chain for key_id in manifest.rider_keys))
    if named:
        audit.riders = len(named)
        _find_erasures(remote, audit, trust.erasers)
        with ThreadPoolExecutor(_THREADS) as pool:
            words = pool.map(lambda key_id: _look_at(remote, audit, key_id), named)
            audit.failures += [found for found in words if found]
    return audit


def _keysets(remote: Remote, stream: str, root: bytes) -> dict[int, KeySet]:
    """The stream's key sets, each signed by the root, of one name, under its own version."""
    found: dict[int, KeySet] = {}
    prefix = keys_prefix(stream)
    for key in remote.keys(prefix):
        match = _KEYSET.fullmatch(key.removeprefix(prefix))
        if not match:
            continue
        try:
            keyset = open_keyset(remote.get(key, KEYSET_BYTES_MAX), root)
        except Refused as error:
            raise Tampered(
                Tampering.KEYSET_FORGED, f"{key} is no key set the root signed: {error}"
            ) from error
        if key != keyset_key(stream, keyset.version):
            raise Tampered(
                Tampering.KEYSET_MISPLACED, f"{key} holds version {keyset.version} of the key set"
            )
        if found and keyset.name != next(iter(found.values())).name:
            raise Tampered(Tampering.KEYSET_OTHER, f"{key} is of another key set, {keyset.name}")
        found[keyset.version] = keyset
    return found


def _find_erasures(remote: Remote, audit: KeyAudit, signers: list[bytes]) -> None:
    for key in remote.keys(erasure_prefix(audit.stream)):
        try:
            erasure = open_erasure(remote.get(key, ERASURE_BYTES_MAX), signers)
        except Refused as error:
            sentence = f"{key} is no erasure that the cloud team or the root signed: {error}"
            audit.failures.append(Finding(Tampering.ERASURE_FORGED, sentence))
            continue
        if erasure.stream != audit.stream:
            sentence = f"{key} is an erasure of another stream, {erasure.stream}"
            audit.failures.append(Finding(Tampering.ERASURE_OTHER_STREAM, sentence))
            continue
        audit.erased |= dict.fromkeys(erasure.rider_keys, erasure)


def _look_at(remote: Remote, audit: KeyAudit, key_id: str) -> Finding | None:
    """What is wrong with a rider's key, or nothing."""
    erased = audit.erased.get(key_id)
    try:
        document = remote.get(rider_key_key(audit.stream, key_id), RIDER_KEY_BYTES_MAX)
        if erased is not None:
            return Finding(
                Tampering.RIDER_KEY_SERVED_AGAIN,
                f"rider key {key_id} of {audit.stream} was erased by {erased.by} and is served"
                " again: a copy came back; erase it again",
            )
        check_document(audit.stream, key_id, document)
    except NotThere:
        if erased is None:
            return Finding(
                Tampering.RIDER_KEY_MISSING,
                f"rider key {key_id} of {audit.stream} is missing and no erasure speaks of it",
            )
    except Damaged as error:
        return Finding(Tampering.RIDER_KEY_CHANGED, str(error))
    return None
