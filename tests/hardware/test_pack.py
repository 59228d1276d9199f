"""A pack: the same input, the same bytes; every other byte is refused by name, never half read."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import Misconfigured, Reason, Refused
from hardware.pack import (
    PACK_BYTES_MAX,
    PAYLOAD_TYPE,
    boards_of,
    build_pack,
    encode_pack,
    is_pack_name,
    open_pack,
)
from hardware.signing import SigningKey, sign_document

TEAM, OTHER = SigningKey(bytes(range(32))), SigningKey(bytes(32))
FILES = {
    "stage.toml": b'name = "Pau - Hautacam"\nkind = "road"\n',
    "route.gpx": b"<gpx/>" * 20,
    "boards/gap.sql": b"SELECT 1",
    "model/catch.json": b"{}",
}
MANIFEST: dict[str, Any] = {
    "event": "tour-2027", "version": 4, "stage": 13, "name": "Pau - Hautacam", "now_s": 1.8e9,
}  # fmt: skip


def built(files: dict[str, bytes] = FILES, key: SigningKey = TEAM, **more: Any) -> bytes:
    return build_pack(files, key=key, **MANIFEST | more)


def signed(files: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> bytes:
    """A pack with a manifest that the team did sign, although no builder of ours writes it."""
    data = built()
    size = int.from_bytes(data[18:22], "little")
    payload = json.loads(base64.b64decode(json.loads(data[39 : 39 + size])["payload"]))
    change(payload)
    return encode_pack(sign_document(payload, PAYLOAD_TYPE, TEAM), files)


def refused(data: bytes, reason: Reason, words: str = ".", team: SigningKey = TEAM) -> None:
    with pytest.raises(Refused, match=words) as told:
        open_pack(data, team.public)
    assert told.value.reason == reason


def test_the_same_input_gives_the_same_bytes_on_any_machine() -> None:
    data = built()
    assert built(dict(reversed(FILES.items()))) == data
    # a Python whose zipfile writes otherwise could open no pack: then FORMAT.md's bytes are owed
    assert hashlib.sha256(data).hexdigest()[:32] == "7a2e5d7c862ab7d74f8ee37e3289e45b"


def test_what_was_built_opens_and_any_unzip_reads_it() -> None:
    pack = open_pack(built(), TEAM.public)
    assert dict(pack.files) == FILES
    assert boards_of(pack.files) == {"gap": b"SELECT 1"}
    assert str(pack.manifest) == "pack 4 (stage 13, Pau - Hautacam)"
    archive = zipfile.ZipFile(io.BytesIO(built()))
    assert archive.testzip() is None
    assert archive.namelist() == ["pack.json", *sorted(FILES)]


def test_every_changed_byte_and_every_cut_is_refused() -> None:
    data = built()
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(Refused):
            open_pack(bytes(flipped), TEAM.public)
    for at in range(0, len(data), 7):
        with pytest.raises(Refused):
            open_pack(data[:at], TEAM.public)
    refused(data + b"\0", Reason.MALFORMED)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 60))
def test_hostile_bytes_are_a_refusal(junk: bytes, at: int) -> None:
    for data in (junk, built()[:at] + junk, b"PK\3\4" + junk):
        with pytest.raises(Refused):
            open_pack(data, TEAM.public)


def test_another_team_is_refused_before_anything_is_looked_at() -> None:
    refused(built(key=OTHER), Reason.SIGNATURE)
    refused(built(), Reason.SIGNATURE, team=OTHER)


@pytest.mark.parametrize("name", [
    "../stage.toml", "/etc/passwd", "boards/../../x.sql", "boards\\x.sql", "boards/x.sql/", "",
    "boards/X.sql", "boards/a.sql.sh", "model/.hidden", "model/a/b", "pack.json", "truck.toml",
    "boards/a\n.sql", "stage.toml\0",
])  # fmt: skip
def test_names_that_could_leave_their_place_are_none_of_a_pack(name: str) -> None:
    assert not is_pack_name(name)
    with pytest.raises(Misconfigured, match="has no place in a pack"):
        built(FILES | {name: b""})

    def list_it(payload: dict[str, Any]) -> None:
        hidden = {"name": name, "sha256": hashlib.sha256(b"").hexdigest(), "size": 0}
        payload["files"] = sorted([*payload["files"], hidden], key=lambda file: file["name"])

    refused(signed(FILES, list_it), Reason.MALFORMED)  # not even the team may


def test_what_the_manifest_says_must_be_all_and_true() -> None:
    more = FILES | {"boards/more.sql": b"SELECT 2"}
    less = {name: data for name, data in FILES.items() if name != "route.gpx"}
    other = FILES | {"route.gpx": b"<gpY/>" * 20}
    refused(signed(more, lambda p: None), Reason.MALFORMED)
    refused(signed(less, lambda p: None), Reason.MALFORMED, "route.gpx")
    refused(signed(other, lambda p: None), Reason.MALFORMED, r"route\.gpx is not the file")
    for change, reason in (
        (lambda p: p.update(schema="truck.pack/2"), Reason.VERSION),
        (lambda p: p.update(version=0), Reason.MALFORMED),
        (lambda p: p.update(version=True), Reason.MALFORMED),
        (lambda p: p.update(version="4"), Reason.MALFORMED),
        (lambda p: p.update(event="a/b"), Reason.MALFORMED),
        (lambda p: p.update(event=7), Reason.MALFORMED),
        (lambda p: p.update(name="two\nlines"), Reason.MALFORMED),
        (lambda p: p.update(created_at="soon"), Reason.MALFORMED),
        (lambda p: p.update(also=1), Reason.MALFORMED),
        (lambda p: p.pop("stage"), Reason.MALFORMED),
        (lambda p: p["files"].reverse(), Reason.MALFORMED),
        (lambda p: p["files"].append(p["files"][-1]), Reason.MALFORMED),
        (lambda p: p["files"][0].update(size=-1), Reason.MALFORMED),
        (lambda p: p["files"][0].update(size=PACK_BYTES_MAX), Reason.MALFORMED),
        (lambda p: p.update(files={}), Reason.MALFORMED),
    ):  # fmt: skip
        refused(signed(FILES, change), reason)


def test_links_bombs_and_comments_have_no_place_to_stand() -> None:
    plain = zipfile.ZipFile(io.BytesIO(built()))

    def again(**change: Any) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", change.get("compression", zipfile.ZIP_STORED)) as archive:
            for member in plain.infolist():
                info = zipfile.ZipInfo(member.filename, (1980, 1, 1, 0, 0, 0))
                info.compress_type = change.get("compression", zipfile.ZIP_STORED)
                info.create_system = 3
                info.external_attr = change.get("attr", 0o644) << 16
                archive.writestr(info, plain.read(member))
            archive.comment = change.get("comment", b"")
        return out.getvalue()

    assert again() == built()
    refused(again(comment=b"see also"), Reason.MALFORMED)
    refused(again(attr=0o120777), Reason.MALFORMED)
    refused(again(compression=zipfile.ZIP_DEFLATED), Reason.MALFORMED)
    refused(bytes(PACK_BYTES_MAX + 1), Reason.OVERSIZE)


def test_a_second_signature_beside_the_teams_is_another_spelling() -> None:
    data = built()
    size = int.from_bytes(data[18:22], "little")
    envelope = json.loads(data[39 : 39 + size])
    envelope["signatures"].append({"keyid": "ff", "sig": "AAAA"})
    spelled = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    refused(encode_pack(spelled, FILES), Reason.MALFORMED, "spelling")


def test_what_no_truck_would_take_is_not_built() -> None:
    for change in ({"version": 0}, {"event": "a b"}, {"name": ""}, {"stage": 100}):
        with pytest.raises(Misconfigured, match="makes no pack"):
            built(**change)
    with pytest.raises(Misconfigured, match="oversize"):
        built({"route.gpx": bytes(PACK_BYTES_MAX)})
