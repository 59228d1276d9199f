"""Riders' keys: one for each rider, stage and set of recipients; wrapped once, and erasable.

In the remote, `<stream>/keys/riders/<id>.json`: JSON, the key's envelope for the recipients and,
under the key itself, whom it speaks of. The id is the first 128 bits of the document's SHA-256 and
stands in the signed manifest of the first batch that uses it: no other document fits, and no bib is
in the clear. At the truck, `<stream>/riders/<id>.key` of the spool, sealed under the truck's
credentials; the truck needs it to seal more, and it is gone when it is erased.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud_sync.batch import BatchName, keys_prefix
from cloud_sync.biometrics import SALT_BYTES, Rider, RiderKey, open_rows, riders_in, seal_rows
from cloud_sync.envelope import open_sealed, seal_to
from cloud_sync.keyring import KeyHolder, Recipient
from cloud_sync.recipients import InForce
from cloud_sync.sealed_parquet import is_same
from hardware import keys
from hardware.errors import Damaged, Misconfigured

RIDER_KEY_BYTES_MAX = 65536
_NONCE_BYTES = 12
_ID_DIGITS = 32


def rider_key_prefix(stream: str) -> str:
    """The folder of a stream's riders' keys."""
    return f"{keys_prefix(stream)}riders/"


def rider_key_key(stream: str, key_id: str) -> str:
    """Where a rider's key is stored."""
    return f"{rider_key_prefix(stream)}{key_id}.json"


def rider_key_id(document: bytes) -> str:
    """The id of a rider's key, from its document."""
    return hashlib.sha256(document).hexdigest()[:_ID_DIGITS]


def wrap_rider_key(
    stream: str, rider: Rider, secret: bytes, recipients: Sequence[Recipient]
) -> tuple[RiderKey, bytes]:
    """A rider's key and its document for these recipients."""
    stage, bib = rider
    about = json.dumps({"stage": stage, "bib": bib}).encode()
    sealed = _about_cipher(secret).encrypt(bytes(_NONCE_BYTES), about, None)
    envelope = json.loads(seal_to(recipients, secret, purpose_of(stream)))
    document = json.dumps(
        {**envelope, "about": base64.b64encode(sealed).decode()}, separators=(",", ":")
    ).encode()
    return RiderKey(rider_key_id(document), stage, bib, secret), document


def open_rider_key(stream: str, key_id: str, document: bytes, holder: KeyHolder) -> RiderKey:
    """A rider's key from its document.

    Raises:
        NotForThisKey: when it was wrapped for others.
        Damaged: when it is not the document its id names, or does not open.
    """
    check_document(stream, key_id, document)
    what = f"rider key {key_id} of {stream}"
    secret = open_sealed(document.decode("ascii", "replace"), purpose_of(stream), what, holder)
    return read_rider_key(stream, key_id, document, secret)


def read_rider_key(stream: str, key_id: str, document: bytes, secret: bytes) -> RiderKey:
    """A rider's key, with its secret known already: whom it speaks of.

    Raises:
        Damaged: when the secret is another's.
    """
    try:
        sealed = base64.b64decode(json.loads(document)["about"], validate=True)
        about = json.loads(_about_cipher(secret).decrypt(bytes(_NONCE_BYTES), sealed, None))
        return RiderKey(key_id, str(about["stage"]), int(about["bib"]), secret)
    except (InvalidTag, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise Damaged(f"rider key {key_id} of {stream} is not whole") from error


def check_document(stream: str, key_id: str, document: bytes) -> None:
    """Raise Damaged unless a document is the one that its id names."""
    if rider_key_id(document) != key_id:
        raise Damaged(f"rider key {key_id} of {stream} is not the one its manifest names (SHA-256)")


def purpose_of(stream: str) -> str:
    """What the envelopes of a stream's riders' keys are bound to."""
    return f"truck.rider/1\0{stream}"


class RiderKeys:
    """The riders' keys of one stream at the truck.

    Args:
        spool: folder that holds them, and the documents on their way to the remote.
        stream: of biometrics.
        secret: of the truck's credentials; what lies in the spool is sealed under it.

    Raises:
        Misconfigured: when the spool cannot be used.
    """

    def __init__(self, spool: Path, stream: str, secret: bytes) -> None:
        self._spool, self._stream = spool, stream
        self._folder = local_folder(spool, stream)
        kek = HKDF(hashes.SHA256(), 32, None, b"truck.rider-keys/1").derive(secret)
        self._cipher = AESGCM(kek)
        self._known: dict[tuple[Rider, str], RiderKey] = {}
        self._named: set[str] = set()
        self._load()

    def seal(self, table: pa.Table, batch: BatchName, to: InForce) -> tuple[pa.Table, list[str]]:
        """Plain rows as they are stored, a row a rider; and the ids a manifest has not named yet.

        Raises:
            Damaged: when they do not open to the same rows.
            Misconfigured: when the spool cannot be written.
        """
        lo = table["row_id"][0].as_py()
        ring = {rider: self._key_of(rider, to.recipients) for rider in riders_in(table)}
        sealed = seal_rows(table, batch, lo, ring, keys.new_secret()[:SALT_BYTES])
        by_id = {key.id: key for key in ring.values()}
        opened = open_rows(sealed, batch, lo, lo + table.num_rows, by_id.__getitem__)
        if not is_same(opened, table.cast(opened.schema)):
            raise Damaged(f"batch {batch} does not open as it was sealed; is the memory sound?")
        return sealed, [key_id for key_id in by_id if key_id not in self._named]

    def note_named(self, ids: Sequence[str]) -> None:
        """A committed manifest names these."""
        self._named.update(ids)

    def _key_of(self, rider: Rider, recipients: Sequence[Recipient]) -> RiderKey:
        """His key for these recipients; a new one where there is none, or it was erased."""
        place = (rider, _crowd(recipients))
        known = self._known.get(place)
        if known is not None and self._path(known.id).exists():
            return known
        key, document = wrap_rider_key(self._stream, rider, keys.new_secret(), recipients)
        # the document first: a key whose document is lost would open nothing for anybody
        keys.write_file(self._spool / rider_key_key(self._stream, key.id), document)
        keys.write_file(self._path(key.id), self._seal_local(key, place[1]))
        self._known[place] = key
        return key

    def _seal_local(self, key: RiderKey, crowd: str) -> bytes:
        text = json.dumps(
            {"stage": key.stage, "bib": key.bib, "secret": key.secret.hex(), "to": crowd}
        )
        nonce = keys.new_secret()[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, text.encode(), key.id.encode())

    def _load(self) -> None:
        """Take up the keys of an earlier run; one that does not open is left, and another made."""
        for path in sorted(self._folder.glob("*.key")):
            data = keys.read_file(path, "a rider's key")
            try:
                text = self._cipher.decrypt(
                    data[:_NONCE_BYTES], data[_NONCE_BYTES:], path.stem.encode()
                )
                found = json.loads(text)
                rider = (str(found["stage"]), int(found["bib"]))
                key = RiderKey(path.stem, *rider, bytes.fromhex(found["secret"]))
                self._known[rider, str(found["to"])] = key
            except (InvalidTag, ValueError, KeyError, TypeError):
                continue

    def _path(self, key_id: str) -> Path:
        return self._folder / f"{key_id}.key"


def local_folder(spool: Path, stream: str) -> Path:
    """Where a truck's spool keeps the riders' keys of a stream."""
    return spool / stream / "riders"


def forget_local(spool: Path, stream: str, key_id: str) -> int:
    """Remove a rider's key, and its document on its way, from a truck's spool; how many files.

    Raises:
        Misconfigured: when they cannot be removed.
    """
    removed = 0
    waiting = spool / rider_key_key(stream, key_id)
    for path in (local_folder(spool, stream) / f"{key_id}.key", waiting):
        try:
            path.unlink()
            keys.sync(path.parent)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Misconfigured(
                f"cannot remove {path}: {error.strerror}", "Run it as the truck's user."
            ) from error
        removed += 1
    return removed


def _about_cipher(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(hashes.SHA256(), 32, None, b"truck.rider/1 about").derive(secret))


def _crowd(recipients: Sequence[Recipient]) -> str:
    """What tells one set of recipients from another."""
    return hashlib.sha256(" ".join(r.key_id for r in recipients).encode()).hexdigest()[:16]
