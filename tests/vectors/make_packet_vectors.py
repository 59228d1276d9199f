"""Writes tests/vectors/packet/*.json: one packet a file, one failure each, expectation first.

Deterministic (keys from names, Ed25519 and CCM without randomness), so a run that changes a file
is a change of the format. Run it from the project's folder:

    python tests/vectors/make_packet_vectors.py
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hardware import keys, packet, sealing, signing
from hardware.packet import Fix, Header, encode_body, kid_of
from hardware.roster import DeviceKey, Roster
from hardware.signing import SigningKey

FOLDER = Path(__file__).parent / "packet"
EVENT = "vectors-2027"
EPOCH_S = 1_800_000_000.0
NOW_S = EPOCH_S + 200_000.0
NOW_CS = 20_000_000
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def secret(name: str) -> bytes:
    """A private key that everybody may know."""
    return hashlib.sha256(f"vector {name}".encode()).digest()


def device(number: int, generation: int = 1, **changes: Any) -> DeviceKey:
    """A device's public keys, from its number."""
    name = f"device {number}.{generation}"
    key = DeviceKey(
        number,
        generation,
        SigningKey(secret(f"{name} sign")).public,
        keys.box_public(secret(f"{name} box")),
        EPOCH_S,
        EPOCH_S + 60 * 86400.0,
    )
    return replace(key, **changes)


ROSTER = Roster(
    event=EVENT,
    version=3,
    epoch_s=EPOCH_S,
    event_box_public=keys.box_public(secret("event box")),
    truck_sign_public=SigningKey(secret("truck sign")).public,
    devices=(
        device(1),
        device(2, generation=2),
        device(3, revoked=True),
        device(4, valid_from_s=NOW_S + 3600.0),
        device(5, valid_to_s=NOW_S - 3600.0),
    ),
    bindings=(),
    relays=(),
)

FIX = Fix(
    NOW_CS - 100, 45.1234567, 6.7654321, 1834.5, 12.34, 271.25, 312.0, 168.0, 92.0, 1.4, battery=11
)


def following(fix: Fix, count: int) -> list[Fix]:
    """`count` fixes, 10 ms x 20 apart, riding north-east."""
    return [
        replace(
            fix,
            t_cs=fix.t_cs + 20 * k,
            latitude_deg=45.1234567 + 1.7e-5 * k,
            longitude_deg=6.7654321 + 1.1e-5 * k,
            altitude_m=1834.5 + 0.2 * k,
            speed_mps=12.34 + 0.05 * k,
            power_w=312.0 - 9 * k,
        )
        for k in range(count)
    ]


def build(
    fixes: list[Fix],
    suite: int = packet.SUITE_CCM8,
    number: int = 1,
    generation: int = 1,
    event: str = EVENT,
    body: bytes | None = None,
    signer: str | None = None,
) -> bytes:
    """A packet as a device would send it, or with a `body` or `signer` of another."""
    name = f"device {number}.{generation}"
    kid = kid_of(number, generation)
    encoded, n = encode_body(fixes)
    assert n == len(fixes)
    header = Header(suite, n, boot=7, kid=kid, seq=4711, t0=fixes[0].t_cs)
    cipher = sealing.packet_cipher(
        secret(f"{name} box"), ROSTER.event_box_public, event.encode(), kid
    )
    key = SigningKey(secret(f"{signer or name} sign"))
    return sealing.build_packet(header, body or encoded, key, event.encode(), cipher)


def body_of(fix: Fix, **fields: int) -> bytes:
    """A first fix with wire fields that no encoder of ours would write."""
    table = np.frombuffer(bytearray(encode_body([fix])[0]), packet.FIRST_DTYPE).copy()
    for field, value in fields.items():
        table[field] = value
    return bytes(table.tobytes())


def changed(raw: bytes, at: int, value: int) -> bytes:
    """One byte set."""
    return raw[:at] + bytes([value]) + raw[at + 1 :]


def signed_again(raw: bytes) -> bytes:
    """The packet with a true signature of device 1 over what it says now."""
    return signing.sign_packet(raw[:-64], SigningKey(secret("device 1.1 sign")), EVENT.encode())


def clear(fixes: list[Fix], **how: Any) -> bytes:
    """A packet in the clear suite."""
    return build(fixes, suite=packet.SUITE_CLEAR, **how)


def vectors() -> Iterator[tuple[str, str, str, bytes]]:
    """Name, expectation, why, and the packet."""
    one, five = clear([FIX]), build(following(FIX, 5))
    sealed = build([FIX])
    absent = Fix(NOW_CS, 45.0, 6.0)
    yield "ok-clear-1", "ok", "one fix, clear suite", one
    yield "ok-sealed-1", "ok", "one fix, AES-CCM-8", sealed
    yield "ok-clear-3", "ok", "three fixes, clear suite", clear(following(FIX, 3))
    yield "ok-sealed-5", "ok", "five fixes, 156 bytes", five
    yield "ok-absent-sensors", "ok", "every optional sensor absent", build([absent])
    yield (
        "ok-no-position",
        "ok",
        "no fix: no position, sensors present",
        build([replace(FIX, latitude_deg=None, longitude_deg=None, fix=0)]),
    )
    yield (
        "ok-flags",
        "ok",
        "SOS and impact, battery empty",
        build([replace(FIX, sos=True, impact=True, battery=0)]),
    )
    yield (
        "ok-edges",
        "ok",
        "the corner of the map, the lowest altitude, the slowest clock tick",
        build([Fix(NOW_CS, -90.0, 180.0, -500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)]),
    )
    yield "malformed-empty", "malformed", "no bytes at all", b""
    yield "malformed-truncated", "malformed", "cut in the signature", one[:-1]
    yield "length-truncated-5", "length", "five fixes cut by one byte", five[:-1]
    yield "length-trailing", "length", "one byte too many", one + b"\x00"
    yield "length-n-lies", "length", "n says two, the bytes hold one", changed(one, 1, 2)
    yield "length-n-zero", "length", "n says none", changed(one, 1, 0)
    yield "version-2", "version", "version 2 of a later year", changed(one, 0, 0x21)
    yield "version-suite-3", "version", "a suite nobody defined", changed(one, 0, 0x13)
    yield "unknown-key", "unknown_key", "device 9 is in no roster", build([FIX], number=9)
    yield "generation", "generation", "device 1 has no key generation 2", build([FIX], generation=2)
    yield "generation-old", "generation", "device 2 has left generation 1", build([FIX], number=2)
    yield "revoked", "revoked", "device 3 is revoked", build([FIX], number=3)
    yield (
        "not-yet-valid",
        "not_yet_valid",
        "device 4's key begins in an hour",
        build([FIX], number=4),
    )
    yield "expired", "expired", "device 5's key ended an hour ago", build([FIX], number=5)
    ahead = replace(FIX, t_cs=NOW_CS + 201)
    yield "future", "future", "2.01 s ahead of the truck's clock", build([ahead])
    late = [replace(FIX, t_cs=NOW_CS + 150), replace(FIX, t_cs=NOW_CS + 250)]
    yield "future-second-fix", "future", "the second fix is 2.5 s ahead", build(late)
    yesterday = replace(FIX, t_cs=NOW_CS - 48 * 360_000 - 1)
    yield "too-old", "too_old", "10 ms older than 48 h", build([yesterday])
    yield (
        "ok-back-fill",
        "ok",
        "48 h old: back-fill still takes it",
        build([replace(FIX, t_cs=NOW_CS - 48 * 360_000)]),
    )
    yield (
        "ciphertext-bit",
        "ciphertext",
        "one bit of the body flipped",
        changed(sealed, 20, sealed[20] ^ 1),
    )
    yield (
        "ciphertext-tag",
        "ciphertext",
        "one bit of the tag flipped",
        changed(sealed, -65 + len(sealed), sealed[-65] ^ 0x80),
    )
    yield (
        "ciphertext-seq",
        "ciphertext",
        "seq is part of nonce and AAD",
        changed(sealed, 8, sealed[8] ^ 1),
    )
    yield (
        "ciphertext-other-event",
        "ciphertext",
        "sealed for another event",
        build([FIX], event="vectors-2026"),
    )
    yield (
        "ciphertext-suite-lowered",
        "ciphertext",
        "sealed, then declared clear",
        signed_again(changed(sealed, 0, 0x11)),
    )
    yield (
        "ciphertext-suite-raised",
        "ciphertext",
        "clear, then declared sealed",
        signed_again(changed(one, 0, 0x12)),
    )
    yield (
        "ciphertext-clear-with-tag",
        "ciphertext",
        "the clear suite carries a tag",
        signed_again(changed(one, 40, 1)),
    )
    yield (
        "signature-bit",
        "signature",
        "one bit of the signature flipped",
        changed(sealed, len(sealed) - 1, sealed[-1] ^ 1),
    )
    yield (
        "signature-clear-body",
        "signature",
        "one bit of a clear body flipped",
        changed(one, 20, one[20] ^ 1),
    )
    yield (
        "signature-other-event",
        "signature",
        "clear, signed for another event",
        clear([FIX], event="vectors-2026"),
    )
    yield (
        "signature-other-device",
        "signature",
        "device 2 signs in the name of device 1",
        build([FIX], signer="device 2.2"),
    )
    yield "signature-zero", "signature", "64 zero bytes", one[:-64] + bytes(64)
    scalar = int.from_bytes(one[-32:], "little") + ED25519_ORDER
    yield (
        "signature-malleable",
        "signature",
        "S + L: true by arithmetic, refused by RFC 8032",
        (one[:-32] + scalar.to_bytes(32, "little")),
    )
    for name, why, fields in (
        ("latitude", "90.0000001 degrees north", {"lat": 900_000_001}),
        ("longitude", "180.0000001 degrees west", {"lon": -1_800_000_001}),
        ("half-position", "a longitude without latitude", {"lat": packet.NONE_POSITION}),
        ("position-without-fix", "a position, and status says no fix", {"status": 0xB0}),
        ("course", "360 degrees", {"course": 36000}),
    ):
        yield f"value-{name}", "value", why, build([FIX], body=body_of(FIX, **fields))
    lowest = replace(FIX, altitude_m=-500.0)
    body, _ = encode_body([lowest, replace(lowest, t_cs=FIX.t_cs + 20)])
    sunk = body[:21] + struct.pack("<b", -1) + body[22:]
    yield (
        "value-altitude-delta",
        "value",
        "0.1 m below the lowest altitude, by a delta",
        build([lowest, replace(lowest, t_cs=FIX.t_cs + 20)], body=sunk),
    )


def document(expect: str, why: str, raw: bytes) -> dict[str, Any]:
    """One vector file's content, expectation first."""
    shown: dict[str, Any] = {
        "expect": expect,
        "why": why,
        "event": EVENT,
        "now_s": NOW_S,
        "epoch_s": EPOCH_S,
        "event_box_private": secret("event box").hex(),
        "devices": [
            {
                "device": key.device,
                "generation": key.generation,
                "sign_public": key.sign_public.hex(),
                "box_public": key.box_public.hex(),
                "valid_from_s": key.valid_from_s,
                "valid_to_s": key.valid_to_s,
                "revoked": key.revoked,
            }
            for key in ROSTER.devices
        ],
        "packet_hex": raw.hex(),
    }
    if expect == "ok":
        header = packet.read_header(raw)
        key = ROSTER.device_key(header.kid)
        cipher = sealing.packet_cipher(
            secret("event box"), key.box_public, ROSTER.event_id, header.kid
        )
        fixes = packet.decode_fixes([sealing.open_body(raw, cipher)])
        columns = {name: column.tolist() for name, column in fixes._asdict().items()}
        shown["header"] = header._asdict()
        shown["fixes"] = {name: column for name, column in columns.items() if name != "packet"}
        shown["cose_sign1_hex"] = signing.packet_to_cose(raw, ROSTER.event_id)[0].hex()
    return shown


def documents() -> dict[str, str]:
    """All vector files by name."""
    return {
        f"{name}.json": json.dumps(document(expect, why, raw), indent=1) + "\n"
        for name, expect, why, raw in vectors()
    }


def main() -> None:
    """Write the folder anew."""
    for old in FOLDER.glob("*.json"):
        old.unlink()
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
