"""A relay's seed: exact files, refused by name when one is missing, cut or flipped."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import Damaged, Misconfigured
from hardware.seed import COMMIT, FILES, Seed, read_seed, seed_files


def a_seed(name: str = "moto-1", token: bytes = b"1" * 32) -> dict[str, bytes]:
    return seed_files(
        event="tour-2027", name=name, serial="R-01", config_version=3,
        node=b'{"signed": "configuration"}', token=token, authority_public=bytes(range(32)),
        ca_certificate=b"-----BEGIN CERTIFICATE-----\n", roster=b'{"signed": "roster"}',
    )  # fmt: skip


SEED = a_seed()


def test_the_files_come_in_their_order_and_read_back_as_they_went_in() -> None:
    assert tuple(SEED) == FILES
    assert FILES[-1] == COMMIT
    seed = read_seed(SEED)
    assert seed == Seed(
        "tour-2027", "moto-1", "R-01", 3,
        hashlib.sha256(SEED["node.json"]).hexdigest(), hashlib.sha256(SEED[COMMIT]).hexdigest(),
        b'{"signed": "configuration"}', b"1" * 32, bytes(range(32)),
        b"-----BEGIN CERTIFICATE-----\n", b'{"signed": "roster"}',
    )  # fmt: skip


def test_the_same_inputs_are_the_same_bytes_and_other_inputs_another_instance() -> None:
    assert a_seed() == SEED
    instances = {
        json.loads(a_seed(token=t)["meta-data"])["instance-id"] for t in (b"1" * 32, b"2" * 32)
    }
    assert len(instances) == 2


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(Damaged, match=name):
        read_seed({file: data for file, data in SEED.items() if file != name})


@given(st.sampled_from(FILES), st.integers(0, 1 << 30), st.integers(0, 7))
def test_every_flipped_bit_is_refused(name: str, at: int, bit: int) -> None:
    flipped = bytearray(SEED[name])
    flipped[at % len(flipped)] ^= 1 << bit
    with pytest.raises(Damaged, match=r"COMMIT|user-data|meta-data|network-config"):
        read_seed(SEED | {name: bytes(flipped)})


@given(st.sampled_from(FILES), st.integers(0, 1 << 30))
def test_every_cut_file_is_refused(name: str, at: int) -> None:
    with pytest.raises(Damaged):
        read_seed(SEED | {name: SEED[name][: at % len(SEED[name])]})


@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=64)))
def test_any_bytes_are_a_seed_or_one_refusal(files: dict[str, bytes]) -> None:
    with pytest.raises(Damaged):
        read_seed(files)


def test_files_of_two_seeds_are_no_seed() -> None:
    other = a_seed("moto-2", b"2" * 32)
    for name in ("meta-data", "user-data", "token", COMMIT):
        with pytest.raises(Damaged):
            read_seed(SEED | {name: other[name]})


def test_others_files_are_let_be_unless_the_node_would_run_them() -> None:
    assert read_seed(SEED | {"System Volume Information": b"", "config.txt": b"x"})
    for name in ("vendor-data", "Vendor-Data"):
        with pytest.raises(Damaged, match="foreign vendor-data"):
            read_seed(SEED | {name: b"#cloud-config\n"})


def resealed(name: str, data: bytes) -> dict[str, bytes]:
    """A seed whose COMMIT agrees with another content of one file."""
    commit = json.loads(SEED[COMMIT])
    commit["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    spelt = json.dumps(commit, sort_keys=True, indent=1).encode() + b"\n"
    return SEED | {name: data, COMMIT: spelt}


def test_our_schema_knows_keys_that_cloud_inits_lets_pass() -> None:
    user_data = json.loads(SEED["user-data"].split(b"\n", 1)[1]) | {"run_cmd": [["reboot"]]}
    spelt = json.dumps(user_data, sort_keys=True, indent=1).encode() + b"\n"
    with pytest.raises(Damaged, match="user-data, run_cmd: Extra inputs"):
        read_seed(resealed("user-data", b"#cloud-config\n" + spelt))


def test_a_commit_that_lists_other_files_or_another_relay_is_refused() -> None:
    commit = json.loads(SEED[COMMIT])
    for change, said in (
        ({"files": {}}, "other files"),
        ({"name": "moto-2"}, "another relay than 'moto-2'"),
        ({"config_sha256": "0" * 64}, "another configuration"),
        ({"schema": "truck.seed/2"}, "COMMIT, schema"),
    ):
        spelt = json.dumps(commit | change, sort_keys=True, indent=1).encode() + b"\n"
        with pytest.raises(Damaged, match=said):
            read_seed(SEED | {COMMIT: spelt})


def test_what_would_be_refused_later_is_not_made() -> None:
    with pytest.raises(Misconfigured, match="is no name"):
        a_seed("Moto 1")
    with pytest.raises(Damaged, match="token holds no key of 32 bytes"):
        a_seed(token=b"")


def test_cloud_init_accepts_the_user_data(tmp_path: Path, cloud_init: Path) -> None:
    file = tmp_path / "user-data"
    file.write_bytes(SEED["user-data"])
    said = subprocess.run(
        [cloud_init, "schema", "-c", file], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "Valid" in said.stdout
    file.write_bytes(SEED["user-data"].replace(b'"runcmd": [', b'"runcmd": [7,'))
    refused = subprocess.run([cloud_init, "schema", "-c", file], capture_output=True, check=False)
    assert refused.returncode != 0
