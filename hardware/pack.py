"""A stage pack: all the next stage needs, signed by the remote team, as one file; pure.

A pack is a ZIP of stored members: `pack.json` first, the manifest as a DSSE document, then the
files it lists, by name. Nothing in it is looked up before the team's signature holds, and the
bytes have one spelling: what was opened is written again and must be the same file, so there is
no room for links, further members, comments or sizes that lie.
"""

import datetime as dt
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope

from hardware.errors import Misconfigured, Reason, Refused
from hardware.signing import SigningKey, open_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.pack+json"
SCHEMA = "truck.pack/1"
MANIFEST = "pack.json"
PACK_BYTES_MAX = 64 << 20
MANIFEST_BYTES_MAX = 1 << 16
FILES_MAX = 128
VERSION_MAX = 999_999
SETTINGS = "settings.toml"
_STAGE = ("stage.toml", "route.gpx", "startlist.csv", "checkpoints.csv", "weather.csv")
_BOARD = re.compile(r"boards/([a-z0-9][a-z0-9-]{0,31})\.sql")
_MODEL = re.compile(r"model/[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EVENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELDS = {"schema", "event", "version", "stage", "name", "created_at", "files"}
_NAME_CHARACTERS_MAX = 120
_LOCAL_HEADER_BYTES = 30
_MADE_AT = (1980, 1, 1, 0, 0, 0)  # the same input gives the same bytes


@dataclass(frozen=True)
class PackedFile:
    """One file of a pack: where it lies in the stage's folder, its hash and its length."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class PackManifest:
    """What the team signed.

    Attributes:
        event: the event it is for.
        version: counts a race's packs up.
        stage: the number of the stage in the race.
        name: of the stage.
        created_at: ISO 8601, UTC, by the team's clock.
        files: sorted by name.
        digest: SHA-256 of the signed bytes: which pack this is.
    """

    event: str
    version: int
    stage: int
    name: str
    created_at: str
    files: tuple[PackedFile, ...]
    digest: str

    def __str__(self) -> str:
        """As people and errors name it."""
        return f"pack {self.version} (stage {self.stage}, {self.name})"

    @property
    def key(self) -> str:
        """Where the pack lies in a remote."""
        return f"packs/{self.event}/{self.version:06d}-{self.digest[:16]}.pack"

    @property
    def index_key(self) -> str:
        """Where its manifest lies alone: created once, after the pack, it says that it is there."""
        return f"{index_prefix(self.event)}{self.version:06d}.json"


@dataclass(frozen=True)
class Pack:
    """A proven pack: its manifest, the manifest as signed, and the files' bytes by name."""

    manifest: PackManifest
    envelope: bytes
    files: Mapping[str, bytes]


def boards_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The boards' SQL among a pack's files, by the board's name."""
    found = ((_BOARD.fullmatch(name), data) for name, data in files.items())
    return {match[1]: data for match, data in found if match is not None}


def index_prefix(event: str) -> str:
    """The folder of an event's index in a remote."""
    return f"packs/{event}/index/"


def is_pack_name(name: str) -> bool:
    """Whether a file may lie in a pack under this name, which cannot leave its folder."""
    return name in (*_STAGE, SETTINGS) or any(p.fullmatch(name) for p in (_BOARD, _MODEL))


def build_pack(
    files: Mapping[str, bytes],
    *,
    event: str,
    version: int,
    stage: int,
    name: str,
    now_s: float,
    key: SigningKey,
) -> bytes:
    """The bytes of a pack, which depend on these arguments alone.

    Raises:
        Misconfigured: a name, a number or a size that no truck would take.
    """
    for file in files:
        if not is_pack_name(file):
            raise Misconfigured(
                f"{file!r} has no place in a pack",
                "It takes a stage folder's files, boards/NAME.sql, model/NAME and settings.toml.",
            )
    listed = [
        {"name": file, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for file, data in sorted(files.items())
    ]
    payload = {
        "schema": SCHEMA,
        "event": event,
        "version": version,
        "stage": stage,
        "name": name,
        "created_at": dt.datetime.fromtimestamp(int(now_s), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": listed,
    }
    envelope = sign_document(payload, PAYLOAD_TYPE, key)
    data = encode_pack(envelope, files)
    try:
        open_pack(data, key.public)  # what is handed out, every truck can open
    except Refused as error:
        raise Misconfigured(
            f"this makes no pack: {error}",
            f"An event is at most 64 of a-z, A-Z, 0-9 and ._-, a version 1 to {VERSION_MAX}, a "
            f"stage 0 to 99, a pack {FILES_MAX} files and {PACK_BYTES_MAX >> 20} MiB.",
        ) from error
    return data


def encode_pack(envelope: bytes, files: Mapping[str, bytes]) -> bytes:
    """The one spelling of a pack."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((MANIFEST, envelope), *sorted(files.items())):
            member = zipfile.ZipInfo(name, _MADE_AT)
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, data)
    return out.getvalue()


def open_pack(data: bytes, team: bytes) -> Pack:
    """The pack in a file's bytes, proven to be what `team` (Ed25519 public) signed.

    Raises:
        Refused: SIGNATURE, VERSION, OVERSIZE or MALFORMED; any changed byte is one of them.
    """
    if len(data) > PACK_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"a pack of more than {PACK_BYTES_MAX >> 20} MiB")
    begin = _LOCAL_HEADER_BYTES + len(MANIFEST)
    size = int.from_bytes(data[18:22], "little")
    if data[:4] != b"PK\3\4" or data[_LOCAL_HEADER_BYTES:begin] != MANIFEST.encode():
        raise Refused(Reason.MALFORMED, "no pack: its first member is not the manifest")
    if size > MANIFEST_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, "the pack's manifest")
    envelope = data[begin : begin + size]
    manifest = open_pack_manifest(envelope, team)
    files: dict[str, bytes] = {}
    at = begin + size
    for file in manifest.files:
        at += _LOCAL_HEADER_BYTES + len(file.name)
        files[file.name] = data[at : at + file.size]
        at += file.size
    check_files(manifest, files)
    if encode_pack(envelope, files) != data:
        raise Refused(Reason.MALFORMED, f"{manifest} holds more than its manifest lists")
    return Pack(manifest, envelope, files)


def check_files(manifest: PackManifest, files: Mapping[str, bytes]) -> None:
    """Whether these are the files of a manifest, all of them and no other.

    Raises:
        Refused: MALFORMED, naming the first that is not.
    """
    listed = {file.name: file for file in manifest.files}
    for name in sorted(listed.keys() ^ files.keys()):
        what = "misses" if name in listed else "has a file its manifest does not list:"
        raise Refused(Reason.MALFORMED, f"{manifest} {what} {name}")
    for name, file in listed.items():
        data = files[name]
        if len(data) != file.size:
            raise Refused(
                Reason.MALFORMED,
                f"{manifest}: {name} has {len(data)} bytes where {file.size} were signed",
            )
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise Refused(Reason.MALFORMED, f"{manifest}: {name} is not the file that was signed")


def open_pack_manifest(envelope: bytes, team: bytes) -> PackManifest:
    """The manifest in a DSSE envelope signed by `team`.

    Raises:
        Refused: SIGNATURE, VERSION, OVERSIZE or MALFORMED.
    """
    if len(envelope) > MANIFEST_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, "the pack's manifest")
    payload, signed = open_document(envelope, PAYLOAD_TYPE, team)
    # base64 and JSON have several spellings of one value; only ours is taken
    whole = Envelope.from_dict(json.loads(envelope))
    spelling = json.dumps(whole.to_dict(), sort_keys=True, separators=(",", ":")).encode()
    if spelling != envelope or len(whole.signatures) != 1:
        raise Refused(Reason.MALFORMED, "the pack's manifest in another spelling")
    if payload.get("schema") != SCHEMA:
        raise Refused(Reason.VERSION, f"pack schema {payload.get('schema')!r}")
    if payload.keys() != _FIELDS or not _is_well_formed(payload):
        raise Refused(Reason.MALFORMED, "the fields of the pack's manifest")
    return PackManifest(
        event=payload["event"],
        version=payload["version"],
        stage=payload["stage"],
        name=payload["name"],
        created_at=payload["created_at"],
        files=tuple(PackedFile(**file) for file in payload["files"]),
        digest=hashlib.sha256(signed).hexdigest(),
    )


def _is_well_formed(payload: dict[str, Any]) -> bool:
    files = payload["files"]
    return (
        isinstance(payload["event"], str)
        and _EVENT.fullmatch(payload["event"]) is not None
        and type(payload["version"]) is int
        and 1 <= payload["version"] <= VERSION_MAX
        and type(payload["stage"]) is int
        and 0 <= payload["stage"] <= 99
        and _is_line(payload["name"])
        and _is_instant(payload["created_at"])
        and isinstance(files, list)
        and len(files) <= FILES_MAX
        and all(map(_is_file, files))
        and [file["name"] for file in files] == sorted({file["name"] for file in files})
    )


def _is_file(file: object) -> bool:
    return (
        isinstance(file, dict)
        and file.keys() == {"name", "sha256", "size"}
        and isinstance(file["name"], str)
        and is_pack_name(file["name"])
        and isinstance(file["sha256"], str)
        and type(file["size"]) is int
        and 0 <= file["size"] <= PACK_BYTES_MAX
    )


def _is_line(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _NAME_CHARACTERS_MAX and text.isprintable()


def _is_instant(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False
