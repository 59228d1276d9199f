"""Packets and messages as COSE_Sign1, judged by a library that is not ours (cwt)."""

import json
import subprocess
from pathlib import Path

import cbor2
import pytest

from hardware import bundle, signing
from hardware.errors import Refused
from hardware.signing import SigningKey

ROOT = Path(__file__).parent.parent
PEER = ROOT.parent / ".venv" / "cose" / "bin" / "python"


def peer_accepts(cases: list[tuple[bytes, bytes, bytes, bytes]]) -> list[bool]:
    """What the other library says of (message, external_aad, public key, kid)."""
    assert PEER.exists(), "the COSE peer is not installed: run `make setup`"
    asked = json.dumps([[part.hex() for part in case] for case in cases])
    answer = subprocess.run(
        [PEER, ROOT / "peers" / "verify_cose.py"],
        input=asked, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def packets() -> list[tuple[bytes, bytes, bytes, bytes]]:
    """Every valid vector as COSE, its external_aad, its public key and kid."""
    cases = []
    for file in sorted((ROOT / "vectors" / "packet").glob("ok-*.json")):
        vector = json.loads(file.read_text())
        public = next(
            d["sign_public"]
            for d in vector["devices"]
            if (d["device"] << 8 | d["generation"]) == vector["header"]["kid"]
        )
        raw = bytes.fromhex(vector["packet_hex"])
        message, external_aad = signing.packet_to_cose(raw, vector["event"].encode())
        cases.append((message, external_aad, bytes.fromhex(public), raw[4:8]))
    assert len(cases) >= 8
    return cases


def test_another_library_accepts_every_stored_packet(packets):
    assert peer_accepts(packets) == [True] * len(packets)


def test_another_library_refuses_each_flipped_bit_of_payload_and_signature(packets):
    message, aad, public, kid = packets[0]
    _, unprotected, payload, signature = cbor2.loads(message).value
    signed = payload + signature
    flipped = []
    for bit in range(0, 8 * len(signed), 5):
        wrong = bytearray(signed)
        wrong[bit // 8] ^= 1 << bit % 8
        parts = [cbor2.dumps({1: -8}), unprotected, bytes(wrong[:-64]), bytes(wrong[-64:])]
        flipped.append((cbor2.dumps(cbor2.CBORTag(18, parts)), aad, public, kid))
    assert peer_accepts([packets[0], *flipped]) == [True] + [False] * len(flipped)


def test_another_library_refuses_another_event_and_another_key(packets):
    message, aad, public, kid = packets[0]
    other = SigningKey(bytes(range(32))).public
    cases = [
        (message, aad, public, kid),
        (message, aad + b"x", public, kid),
        (message, b"", public, kid),
        (message, aad, other, kid),
        (message, aad, public, b"\x02\x02\x00\x00"),
    ]
    assert peer_accepts(cases) == [True, False, False, False, False]


def test_bundles_and_acknowledgements_are_standard_cose_too():
    key = SigningKey(bytes(range(32)))
    sent = bundle.Bundle("moto-1", 1, 2, (b"abc",), (5,), (-70,))
    message = bundle.encode_bundle(sent, key, b"event")
    ack = bundle.encode_ack(bundle.Ack("moto-1", (bundle.Acked(1, 2, 3),), 9), key, b"event")
    assert peer_accepts(
        [
            (message, b"truck bundle 1 event", key.public, b""),
            (ack, b"truck ack 2 event", key.public, b""),
            (ack, b"truck bundle 1 event", key.public, b""),
        ]
    ) == [True, True, False]


def test_bytes_that_no_signature_covers_have_one_spelling():
    key = SigningKey(bytes(range(32)))
    message = signing.cose_sign(b"payload", key, b"aad")
    tagged = cbor2.loads(message)
    protected, _, payload, signature = tagged.value
    spellings = [
        message + b"\x00",
        cbor2.dumps(cbor2.CBORTag(18, [protected, {4: b"kid"}, payload, signature])),
        cbor2.dumps(cbor2.CBORTag(18, [protected, [], payload, signature])),
        cbor2.dumps(
            cbor2.CBORTag(18, [protected, {}, payload, signature]), indefinite_containers=True
        ),
        message[:1] + b"\x98\x04" + message[2:],
        b"\xd9\x00\x12" + message[1:],
        b"\xd9\xd9\xf7" + message,
    ]
    assert signing.cose_open(message, key.public, b"aad") == b"payload"
    for spelling in spellings:
        assert spelling != message
        with pytest.raises(Refused):
            signing.cose_open(spelling, key.public, b"aad")
