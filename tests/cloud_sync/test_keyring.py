from pathlib import Path

import pytest

from cloud_sync.keyring import (
    RecipientKey,
    create_key,
    read_recipient,
    read_recipient_key,
    read_truck_public,
)
from hardware.errors import Misconfigured


def test_a_seed_expands_as_the_x_wing_draft_has_it() -> None:
    # draft-connolly-cfrg-xwing-kem, test vector 1
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public = RecipientKey("vector", seed).recipient().public_bytes
    assert len(public) == 1216
    assert public.hex().startswith(
        "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5"
    )


def test_key_files_say_what_they_are_and_come_back(tmp_path: Path) -> None:
    private, public = create_key(tmp_path / "operations")
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_text().startswith("cloud-sync-private-key-1 operations ")
    assert public.read_text().startswith("cloud-sync-public-key-1 operations ")
    key = read_recipient_key(private)
    assert key.recipient() == read_recipient(public)
    assert key.seed.hex() not in repr(key)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    private, _ = create_key(tmp_path / "operations")
    before = private.read_bytes()
    with pytest.raises(Misconfigured, match="never overwritten"):
        create_key(tmp_path / "operations")
    assert private.read_bytes() == before


def test_the_other_file_is_named_as_such(tmp_path: Path) -> None:
    private, public = create_key(tmp_path / "operations")
    with pytest.raises(Misconfigured, match="holds a public key"):
        read_recipient_key(public)
    with pytest.raises(Misconfigured, match="holds a private key"):
        read_recipient(private)


@pytest.mark.parametrize("half", ["key", "pub"])
def test_any_changed_character_of_a_key_is_noticed(tmp_path: Path, half: str) -> None:
    path = dict(zip(("key", "pub"), create_key(tmp_path / "ops"), strict=True))[half]
    read = {"key": read_recipient_key, "pub": read_recipient}[half]
    text = path.read_text()
    body = text.rindex(" ") + 1
    for place in {*range(body - 17, body - 1), *range(body, len(text) - 1, 37)}:
        other = "1" if text[place] != "1" else "2"
        path.write_text(text[:place] + other + text[place + 1 :])
        with pytest.raises(Misconfigured):
            read(path)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"hello", b"cloud-sync-private-key-1 a b zz\n"])
def test_a_file_that_is_no_key_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.key"
    path.write_bytes(data)
    with pytest.raises(Misconfigured):
        read_recipient_key(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.key"):
        read_recipient_key(tmp_path / "none.key")


def test_the_trucks_key_is_hex_or_a_file_of_it(tmp_path: Path) -> None:
    path = tmp_path / "truck.pub"
    path.write_text("ab" * 32 + "\n")
    assert read_truck_public("ab" * 32) == read_truck_public(str(path)) == b"\xab" * 32
    path.write_text("ab" * 31)
    with pytest.raises(Misconfigured, match="64 hex digits"):
        read_truck_public(str(path))
