"""What a store may do to a copy in a folder, and what a false truck may sign."""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet.encryption as pe

from cloud_sync.batch import BatchName
from cloud_sync.beat import Beat, beat_key
from cloud_sync.envelope import wrap_data_key
from cloud_sync.keyring import Recipient
from cloud_sync.manifest import PAYLOAD_TYPE
from cloud_sync.sealed_parquet import write_plain
from hardware.signing import SigningKey, sign_document

STREAM = "truck-1"


def place(remote: Path, kind: str, seq: int) -> Path:
    """The file of a batch: its "data" or its "manifest"."""
    (path,) = (remote / STREAM / kind).glob(f"{seq:012d}*")
    return path


def payload(remote: Path, seq: int) -> dict[str, Any]:
    """What a manifest says."""
    envelope = json.loads(place(remote, "manifest", seq).read_bytes())
    return json.loads(base64.b64decode(envelope["payload"]))


def digest(remote: Path, seq: int) -> str:
    """What the next manifest, an anchor or a beat names it by."""
    envelope = json.loads(place(remote, "manifest", seq).read_bytes())
    return hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest()


def sign_other(
    remote: Path, seq: int, key: SigningKey, payload_type: str = PAYLOAD_TYPE, **change: Any
) -> None:
    """Put a manifest in the place of number `seq` that says something else."""
    signed = sign_document(payload(remote, seq) | change, payload_type, key)
    place(remote, "manifest", seq).write_bytes(signed)


def sign_for(remote: Path, seq: int, data: bytes, key: SigningKey, **change: Any) -> None:
    """Put `data` in the place of an object, and a manifest that stands for it."""
    sha256 = hashlib.sha256(data).hexdigest()
    place(remote, "data", seq).unlink()
    name = BatchName(STREAM, seq).object_key(sha256)
    (remote / name).write_bytes(data)
    thing = {"key": name, "sha256": sha256, "size": len(data)}
    sign_other(remote, seq, key, object=thing, **change)


def seal_as(
    table: pa.Table, path: Path, name: BatchName, recipients: Sequence[Recipient], **about: str
) -> bytes:
    """A sealed file of a batch, whose footer says `about` in the place of the truth."""

    class Wrapper(pe.KmsClient):
        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            return wrap_data_key(key_bytes, name, recipients)

    properties = pe.CryptoFactory(lambda _: Wrapper()).file_encryption_properties(
        pe.KmsConnectionConfig(),
        pe.EncryptionConfiguration(
            footer_key=str(name), uniform_encryption=True, encryption_algorithm="AES_GCM_V1",
            plaintext_footer=False, double_wrapping=False, data_key_length_bits=256,
        ),
    )  # fmt: skip
    truth = {"truck.format": "truck.batch/1", "truck.batch": str(name)}
    told = {f"truck.{field}": value for field, value in about.items()}
    write_plain(table.replace_schema_metadata(truth | told), path, encryption_properties=properties)
    return path.read_bytes()


def beat_of(remote: Path, seq: int, **change: Any) -> Beat:
    """The truck's word that its head is number `seq`, given now and good for half a minute."""
    told = payload(remote, seq)
    at_s = dt.datetime.now(dt.UTC).timestamp()
    fields = {"stream": STREAM, "seq": seq, "digest": digest(remote, seq), "rows": told["rows"][1]}
    return Beat(**{**fields, "at_s": at_s, "expires_s": at_s + 30.0, **change})


def put_beat(remote: Path, number: int, envelope: bytes) -> Path:
    """Store a beat under a number."""
    path = remote / beat_key(STREAM, number)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(envelope)
    return path


def flip(path: Path, at: int) -> None:
    """Change one bit of one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def swap(one: Path, other: Path) -> None:
    """Each under the other's name."""
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def spoil_signature(path: Path) -> None:
    """Another signature, of the same shape."""
    text = path.read_text()
    at = text.index('"sig":"') + 7
    path.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
