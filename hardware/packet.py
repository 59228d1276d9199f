"""The packet, version 1: fixed little-endian layout, 96 + 12 n bytes for n fixes.

    0   u8   version and suite: 0x11 clear, 0x12 AES-CCM-8
    1   u8   n, the number of fixes, 1 to 255
    2   u16  boot, counts the device's starts
    4   u32  kid: device (24 bits) << 8 | key generation (8 bits)
    8   u32  seq, counts the packets of this boot
    12  u32  t0 of the first fix, 10 ms steps since the event's epoch
    16       body: first fix 20 bytes, each further fix 12
    -72      8 bytes CCM tag (zeros in the clear suite)
    -64      64 bytes Ed25519 signature over COSE prefix + everything before it

This room knows shapes and columns; `signing` and `sealing` know keys. docs/FORMAT.md is its table.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardware.errors import Reason, Refused

SUITE_CLEAR = 0x11
SUITE_CCM8 = 0x12
SUITES = frozenset((SUITE_CLEAR, SUITE_CCM8))

HEADER_BYTES = 16
FIRST_FIX_BYTES = 20
FURTHER_FIX_BYTES = 12
TAG_BYTES = 8
SIGNATURE_BYTES = 64
TRAILER_BYTES = TAG_BYTES + SIGNATURE_BYTES
PACKET_BYTES_MIN = HEADER_BYTES + FIRST_FIX_BYTES + TRAILER_BYTES
PACKET_BYTES_MAX = PACKET_BYTES_MIN + 254 * FURTHER_FIX_BYTES

DEVICE_MAX = (1 << 24) - 1
TICK_S = 0.01

NONE_U8 = 0xFF
NONE_U16 = 0xFFFF
NONE_POSITION = -(1 << 31)
NONE_BATTERY = 15
_ALTITUDE_OFFSET_M = 500.0

_HEADER = struct.Struct("<BBHIII")
_FIRST = struct.Struct("<iiHHHHBBBB")
_FURTHER = struct.Struct("<BbhhHHBB")

HEADER_DTYPE = np.dtype(
    [("suite", "u1"), ("n", "u1"), ("boot", "<u2"), ("kid", "<u4"), ("seq", "<u4"), ("t0", "<u4")]
)
FIRST_DTYPE = np.dtype(
    [
        ("lat", "<i4"), ("lon", "<i4"), ("alt", "<u2"), ("speed", "<u2"), ("course", "<u2"),
        ("power", "<u2"), ("hr", "u1"), ("cadence", "u1"), ("accuracy", "u1"), ("status", "u1"),
    ]
)  # fmt: skip
FURTHER_DTYPE = np.dtype(
    [
        ("dt", "u1"), ("dalt", "i1"), ("dlat", "<i2"), ("dlon", "<i2"), ("speed", "<u2"),
        ("power", "<u2"), ("hr", "u1"), ("cadence", "u1"),
    ]
)  # fmt: skip


class Header(NamedTuple):
    """The clear 16 bytes of a packet."""

    suite: int
    n: int
    boot: int
    kid: int
    seq: int
    t0: int

    @property
    def device(self) -> int:
        """The device number, 24 bits."""
        return self.kid >> 8

    @property
    def generation(self) -> int:
        """The key generation, 8 bits."""
        return self.kid & 0xFF


@dataclass(frozen=True)
class Fix:
    """One reading of a bike; `None` where the sensor is absent.

    `t_cs` counts 10 ms steps since the event's epoch. `fix` is 0 none, 1 position only, 2 with
    altitude, 3 with correction data. Battery is in fourteenths of full.
    """

    t_cs: int
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    power_w: float | None = None
    heart_rate_bpm: float | None = None
    cadence_rpm: float | None = None
    accuracy_m: float | None = None
    fix: int = 2
    sos: bool = False
    impact: bool = False
    battery: int | None = None


def kid_of(device: int, generation: int) -> int:
    """The key id of a device's key generation."""
    return device << 8 | generation


def packet_bytes(n: int) -> int:
    """The length in bytes of a packet of `n` fixes."""
    return PACKET_BYTES_MIN + FURTHER_FIX_BYTES * (n - 1)


def read_header(raw: bytes) -> Header:
    """The header of one packet, its shape proven.

    Raises:
        Refused: MALFORMED (too short), VERSION, or LENGTH (n contradicts the bytes).
    """
    if len(raw) < PACKET_BYTES_MIN:
        raise Refused(Reason.MALFORMED, f"{len(raw)} bytes")
    header = Header._make(_HEADER.unpack_from(raw))
    if header.suite not in SUITES:
        raise Refused(Reason.VERSION, f"0x{header.suite:02x}")
    if header.n == 0 or len(raw) != packet_bytes(header.n):
        raise Refused(Reason.LENGTH, f"{len(raw)} bytes for {header.n} fixes")
    return header


def _quantise(value: float | None, step: float, none: int, offset: float = 0.0) -> int:
    """A sensor value in wire steps; one that does not fit is a sensor's fault and becomes none."""
    steps = -1.0 if value is None else (value + offset) / step
    return round(steps) if -0.5 <= steps < none - 0.5 else none  # NaN fails both


def _course(course_deg: float | None) -> int:
    steps = _quantise(None if course_deg is None else course_deg % 360.0, 0.01, NONE_U16)
    return 0 if steps == 36000 else steps  # 359.996 rounds up to north


def _position(fix: Fix) -> tuple[int, int]:
    lat, lon = fix.latitude_deg, fix.longitude_deg
    if lat is None or lon is None or fix.fix < 1 or not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        return NONE_POSITION, NONE_POSITION
    return round(lat * 1e7), round(lon * 1e7)


def _status(fix: Fix) -> int:
    battery = _quantise(fix.battery, 1.0, NONE_BATTERY)
    positioned = _position(fix)[0] != NONE_POSITION
    return (min(fix.fix, 3) if positioned else 0) | fix.sos << 2 | fix.impact << 3 | battery << 4


def _first_body(fix: Fix, lat: int, lon: int, alt: int) -> bytes:
    accuracy_m = None if fix.accuracy_m is None else min(fix.accuracy_m, 50.8)  # the worst it says
    return _FIRST.pack(
        lat, lon, alt,
        _quantise(fix.speed_mps, 0.01, NONE_U16),
        _course(fix.course_deg),
        _quantise(fix.power_w, 1.0, NONE_U16),
        _quantise(fix.heart_rate_bpm, 1.0, NONE_U8),
        _quantise(fix.cadence_rpm, 1.0, NONE_U8),
        _quantise(accuracy_m, 0.2, NONE_U8),
        _status(fix),
    )  # fmt: skip


def encode_body(fixes: Sequence[Fix]) -> tuple[bytes, int]:
    """The body of as many leading `fixes` as one packet can hold, and how many those are.

    A fix whose delta overflows, that lacks what a delta needs, or whose status differs from the
    first, begins a new packet; so does one without altitude among some with.
    """
    first = fixes[0]
    lat, lon = _position(first)
    alt = _quantise(first.altitude_m, 0.1, NONE_U16, _ALTITUDE_OFFSET_M)
    status = _status(first)
    parts = [_first_body(first, lat, lon, alt)]
    t = first.t_cs
    for fix in fixes[1:255]:
        next_lat, next_lon = _position(fix)
        next_alt = _quantise(fix.altitude_m, 0.1, NONE_U16, _ALTITUDE_OFFSET_M)
        dt, dlat, dlon, dalt = fix.t_cs - t, next_lat - lat, next_lon - lon, next_alt - alt
        missing = NONE_POSITION in (lat, next_lat) or (alt == NONE_U16) != (next_alt == NONE_U16)
        fits = 0 <= dt <= 255 and -128 <= dalt <= 127 and max(abs(dlat), abs(dlon)) <= 32767
        if missing or not fits or _status(fix) != status:
            break
        parts.append(
            _FURTHER.pack(
                dt, dalt, dlat, dlon,
                _quantise(fix.speed_mps, 0.01, NONE_U16),
                _quantise(fix.power_w, 1.0, NONE_U16),
                _quantise(fix.heart_rate_bpm, 1.0, NONE_U8),
                _quantise(fix.cadence_rpm, 1.0, NONE_U8),
            )
        )  # fmt: skip
        t, lat, lon, alt = fix.t_cs, next_lat, next_lon, next_alt
    return b"".join(parts), len(parts)


def encode_header(header: Header) -> bytes:
    """The 16 header bytes.

    Raises:
        ValueError: when a field does not fit its width.
    """
    try:
        return _HEADER.pack(*header)
    except struct.error as error:
        raise ValueError(f"header field out of range: {header}") from error


class Fixes(NamedTuple):
    """Columns of fixes; `packet` is the row's index into the packets given to `decode_fixes`."""

    packet: npt.NDArray[np.int64]
    fix_index: npt.NDArray[np.uint8]
    t_cs: npt.NDArray[np.int64]
    lat_e7: npt.NDArray[np.int32]
    lon_e7: npt.NDArray[np.int32]
    alt: npt.NDArray[np.int32]
    speed: npt.NDArray[np.uint16]
    course: npt.NDArray[np.uint16]
    power: npt.NDArray[np.uint16]
    hr: npt.NDArray[np.uint8]
    cadence: npt.NDArray[np.uint8]
    accuracy: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]


def decode_fixes(opened: Sequence[bytes]) -> Fixes:
    """Decode header+body bytes (trailer removed, body in clear) to columns, in packet order.

    Wire units; altitude is still offset. No value is judged here, see `bad_values`.
    """
    counts = np.fromiter((raw[1] for raw in opened), dtype=np.int64, count=len(opened))
    starts = np.concatenate(([0], np.cumsum(counts)))
    total = int(starts[-1])
    columns: dict[str, npt.NDArray[Any]] = {
        "packet": np.repeat(np.arange(len(opened)), counts),
        "fix_index": np.zeros(total, np.uint8),
        "t_cs": np.zeros(total, np.int64),
        "lat_e7": np.zeros(total, np.int32),
        "lon_e7": np.zeros(total, np.int32),
        "alt": np.zeros(total, np.int32),
        **{name: np.zeros(total, np.uint16) for name in ("speed", "course", "power")},
        **{name: np.zeros(total, np.uint8) for name in ("hr", "cadence", "accuracy", "status")},
    }
    for n in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == n)
        _decode_group(columns, starts[rows], b"".join([opened[i] for i in rows.tolist()]), int(n))
    return Fixes(**columns)


def _decode_group(
    columns: dict[str, npt.NDArray[Any]], at: npt.NDArray[np.int64], joined: bytes, n: int
) -> None:
    """Fill the columns of all packets of `n` fixes, whose first rows are `at`."""
    layout = np.dtype(
        [("head", HEADER_DTYPE), ("first", FIRST_DTYPE), ("further", FURTHER_DTYPE, (n - 1,))]
    )
    table = np.frombuffer(joined, dtype=layout)
    first = table["first"]
    columns["t_cs"][at] = table["head"]["t0"]
    for name, field in (("lat_e7", "lat"), ("lon_e7", "lon"), ("alt", "alt")):
        columns[name][at] = first[field]
    for name in ("speed", "course", "power", "hr", "cadence", "accuracy", "status"):
        columns[name][at] = first[name]
    has_altitude = first["alt"] != NONE_U16
    for k in range(1, n):
        further, row = table["further"][:, k - 1], at + k
        columns["fix_index"][row] = k
        columns["t_cs"][row] = columns["t_cs"][row - 1] + further["dt"]
        # 32-bit wrap-around on hostile deltas is caught by `bad_values`, like any far position
        columns["lat_e7"][row] = columns["lat_e7"][row - 1] + further["dlat"]
        columns["lon_e7"][row] = columns["lon_e7"][row - 1] + further["dlon"]
        columns["alt"][row] = np.where(
            has_altitude, columns["alt"][row - 1] + further["dalt"], NONE_U16
        )
        for name in ("speed", "power", "hr", "cadence"):
            columns[name][row] = further[name]
        columns["course"][row] = NONE_U16
        for name in ("accuracy", "status"):
            columns[name][row] = columns[name][at]


def bad_values(fixes: Fixes) -> npt.NDArray[np.bool_]:
    """Which fixes hold a value no device of ours can send: shape [rows]."""
    none_lat, none_lon = fixes.lat_e7 == NONE_POSITION, fixes.lon_e7 == NONE_POSITION
    off_earth = (np.abs(fixes.lat_e7.astype(np.int64)) > 900_000_000) | (
        np.abs(fixes.lon_e7.astype(np.int64)) > 1_800_000_000
    )
    no_fix = (fixes.status & 3) == 0
    bad_course = (fixes.course >= 36000) & (fixes.course != NONE_U16)
    bad_altitude = (fixes.alt < 0) | (fixes.alt > NONE_U16)
    return np.asarray(
        (none_lat != none_lon) | (none_lat != no_fix) | (off_earth & ~none_lat)
        | bad_course | bad_altitude
    )  # fmt: skip


def to_si(fixes: Fixes) -> dict[str, npt.NDArray[Any]]:
    """Columns in SI units and degrees, absent values as NaN; times in 10 ms steps as they were."""

    def scaled(raw: npt.NDArray[Any], none: int, step: float, offset: float = 0.0) -> Any:
        return np.where(raw == none, np.nan, raw * step + offset)

    return {
        "latitude_deg": scaled(fixes.lat_e7, NONE_POSITION, 1e-7),
        "longitude_deg": scaled(fixes.lon_e7, NONE_POSITION, 1e-7),
        "altitude_m": scaled(fixes.alt, NONE_U16, 0.1, -_ALTITUDE_OFFSET_M),
        "speed_mps": scaled(fixes.speed, NONE_U16, 0.01),
        "course_deg": scaled(fixes.course, NONE_U16, 0.01),
        "power_w": scaled(fixes.power, NONE_U16, 1.0),
        "heart_rate_bpm": scaled(fixes.hr, NONE_U8, 1.0),
        "cadence_rpm": scaled(fixes.cadence, NONE_U8, 1.0),
        "accuracy_m": scaled(fixes.accuracy, NONE_U8, 0.2),
    }
