"""The packet vectors, read from their files as any other implementation would read them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from vectors.judge import Judge

from hardware import packet, signing
from hardware.errors import Reason, Refused
from hardware.roster import DeviceKey, Roster

VECTORS = Path(__file__).parent.parent / "vectors"
FILES = sorted((VECTORS / "packet").glob("*.json"))
NOBODY = bytes(32)


def read(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / "packet" / f"{name}.json").read_text())


def judge_of(vector: dict[str, Any]) -> Judge:
    devices = tuple(
        DeviceKey(
            **row | {name: bytes.fromhex(row[name]) for name in ("sign_public", "box_public")}
        )
        for row in vector["devices"]
    )
    roster = Roster(vector["event"], 1, vector["epoch_s"], NOBODY, NOBODY, devices, (), ())
    return Judge(roster, bytes.fromhex(vector["event_box_private"]), vector["now_s"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_vector_ends_as_its_first_line_says(file):
    vector = json.loads(file.read_text())
    assert list(vector)[:2] == ["expect", "why"]
    raw = bytes.fromhex(vector["packet_hex"])
    judge = judge_of(vector)
    if vector["expect"] != "ok":
        with pytest.raises(Refused) as refusal:
            judge.open(raw)
        assert refusal.value.reason == vector["expect"]
        return
    fixes = judge.open(raw)
    assert packet.read_header(raw)._asdict() == vector["header"]
    columns = {name: column.tolist() for name, column in fixes._asdict().items()}
    assert {name: columns[name] for name in vector["fixes"]} == vector["fixes"]
    cose, external_aad = signing.packet_to_cose(raw, vector["event"].encode())
    assert cose.hex() == vector["cose_sign1_hex"]
    assert external_aad == vector["event"].encode()


def test_every_reason_hardware_can_give_for_a_packet_has_a_vector():
    given = {json.loads(file.read_text())["expect"] for file in FILES}
    elsewhere = {Reason.REPLAY, Reason.RATE, Reason.WRONG_SENDER, Reason.OVERSIZE}
    of_configurations = {Reason.OTHER_EVENT, Reason.OTHER_NODE, Reason.OLDER, Reason.ROLLED_BACK}
    assert given == {"ok", *Reason} - elsewhere - of_configurations - {Reason.HOPS}


def test_the_files_are_what_the_generator_writes():
    sys.path.insert(0, str(VECTORS))
    try:
        import make_packet_vectors
    finally:
        sys.path.remove(str(VECTORS))
    assert make_packet_vectors.documents() == {file.name: file.read_text() for file in FILES}


@pytest.mark.parametrize("name", ["ok-clear-1", "ok-sealed-1", "ok-clear-3", "ok-sealed-5"])
def test_no_bit_of_a_packet_can_be_flipped(name):
    vector = read(name)
    judge, raw = judge_of(vector), bytes.fromhex(vector["packet_hex"])
    assert len(judge.open(raw).t_cs) == raw[1]
    reasons = set()
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused) as refusal:
            judge.open(bytes(flipped))
        reasons.add(refusal.value.reason)
    assert {Reason.VERSION, Reason.LENGTH, Reason.UNKNOWN_KEY, Reason.CIPHERTEXT} <= reasons


@pytest.mark.parametrize("name", ["ok-clear-3", "ok-sealed-5"])
def test_no_packet_passes_cut_or_lengthened(name):
    vector = read(name)
    judge, raw = judge_of(vector), bytes.fromhex(vector["packet_hex"])
    for length in range(len(raw)):
        with pytest.raises(Refused):
            judge.open(raw[:length])
    for extra in (1, 12, 24, 4096):
        with pytest.raises(Refused):
            judge.open(raw + bytes(extra))
