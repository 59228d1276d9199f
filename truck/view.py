"""The view as a fold: journal records in, table rows and live race state out.

Pure and deterministic: the same records give the same rows and the same state, whether they come
live, after a restart from a snapshot, or in a rebuild from nothing.
"""

from collections.abc import Mapping
from typing import Any

import cbor2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hardware import packet
from hardware.errors import Damaged
from hardware.roster import Roster, open_roster
from hardware.sealing import open_body, packet_cipher
from truck.journal import Record
from truck.race.race import Placed, Race
from truck.race.readings import Readings
from truck.race.stage import stage_from_files
from truck.replay_window import digest_of
from truck.segment import Kind
from truck.tick import Heard, Tick, decode_tick

SNAPSHOT_EVERY_RECORDS = 64
Tables = dict[str, pa.Table]
_UTC = pa.timestamp("us", "UTC")
_MICROSECONDS_PER_TICK = 10_000


class View:
    """Applies records in order.

    Attributes:
        record: the number of the next record it expects.
        row_end: rows made so far; the next row's id.
        race: live state, or None before a stage is known.
    """

    def __init__(self, event_secret: bytes, authority_public: bytes) -> None:
        self._event_secret, self._authority = event_secret, authority_public
        self._ciphers: dict[int, Any] = {}
        self.record = 0
        self.row_end = 0
        self.race: Race | None = None
        self.roster: Roster | None = None

    def snapshot(self) -> bytes:
        """Everything `restore` needs besides the roster and stage records before it."""
        race = self.race.snapshot() if self.race is not None else None
        return cbor2.dumps([self.record, self.row_end, race])

    @staticmethod
    def record_of(state: bytes) -> int:
        """The next record a snapshot expects."""
        return int(cbor2.loads(state)[0])

    def restore(self, state: bytes, roster: Record | None, stage: Record | None) -> None:
        """Take up a snapshot; `roster` and `stage` are the last such records before it."""
        if roster is not None:
            self._use_roster(roster)
        if stage is not None:
            self._use_stage(stage)
        self.record, self.row_end, race = cbor2.loads(state)
        if self.race is not None and race is not None:
            self.race.restore(race)

    def apply(self, record: Record, tick: Tick | None = None) -> Tables:
        """The rows one record adds; `tick` spares decoding and decrypting it again.

        Raises:
            Damaged: records out of order, or one that does not decode.
        """
        if record.number != self.record:
            raise Damaged(f"the view expects journal record {self.record}, not {record.number}")
        tables: Tables = {}
        if record.kind == Kind.ROSTER:
            self._use_roster(record)
        elif record.kind == Kind.STAGE:
            self._use_stage(record)
        elif record.kind == Kind.TICK:
            tables = self._apply_tick(record.number, tick or decode_tick(record.payload))
        self.record += 1
        if self.record % SNAPSHOT_EVERY_RECORDS == 0:
            tables["snapshots"] = pa.table(
                {"record": pa.array([record.number], pa.int64()), "state": [self.snapshot()]}
            )
        return tables

    def _use_roster(self, record: Record) -> None:
        self.roster = open_roster(record.payload, self._authority)
        self._ciphers.clear()

    def _use_stage(self, record: Record) -> None:
        self.race = Race(stage_from_files(cbor2.loads(record.payload)))

    def _apply_tick(self, number: int, tick: Tick) -> Tables:
        tables: Tables = {}
        if tick.packets:
            tables["readings"] = self._readings(number, tick)
        if tick.again:
            tables["hearings"] = _hearings(number, tick)
        if tick.bundles:
            relay, boot, bundle, digest = zip(*tick.bundles, strict=True)
            tables["bundles"] = _table(
                number, {"relay": relay, "boot": boot, "number": bundle, "digest": _u64(digest)}
            )
        if tick.refused:
            (reason, key), count = (
                zip(*tick.refused.keys(), strict=True),
                list(tick.refused.values()),
            )
            judged_at = _instants(np.full(len(count), tick.at_us))
            tables["refusals"] = _table(
                number, {"judged_at": judged_at, "reason": reason, "key": key, "count": count}
            )
        if tick.evidence:
            reason, key, relay, received_at_us, data = zip(*tick.evidence, strict=True)
            received_at = _instants(np.array(received_at_us))
            columns = {"reason": reason, "key": key, "relay": relay}
            tables["evidence"] = _table(
                number, {**columns, "received_at": received_at, "data": data}
            )
        tables["ticks"] = _table(
            number,
            {
                "judged_at": _instants(np.array([tick.at_us])),
                "packets": pa.array([len(tick.packets)], pa.int32()),
                "row_end": [self.row_end],
            },
        )
        return tables

    def _opened(self, tick: Tick, roster: Roster) -> list[bytes]:
        if len(tick.opened) == len(tick.packets):
            return tick.opened
        return [open_body(raw, self._cipher(raw, roster)) for raw in tick.packets]

    def _cipher(self, raw: bytes, roster: Roster) -> Any:
        kid = int.from_bytes(raw[4:8], "little")
        if kid not in self._ciphers:
            box_public = roster.device_key(kid).box_public
            self._ciphers[kid] = packet_cipher(self._event_secret, box_public, roster.event_id, kid)
        return self._ciphers[kid]

    def _readings(self, number: int, tick: Tick) -> pa.Table:
        """One row a fix, placed on the course; moves the live state."""
        if self.roster is None:
            raise Damaged(f"journal record {number} holds packets before any roster")
        fixes = packet.decode_fixes(self._opened(tick, self.roster))
        of = fixes.packet
        headers = [packet.read_header(raw) for raw in tick.packets]
        head: npt.NDArray[np.int64] = np.array(headers, np.int64)[of]
        epoch_us = round(self.roster.epoch_s * 1e6)
        measured_at_us = epoch_us + fixes.t_cs * _MICROSECONDS_PER_TICK
        device = head[:, 3] >> 8
        bib = np.array(
            [
                self.roster.bib_of(d, at / 1e6)
                for d, at in zip(device.tolist(), measured_at_us.tolist(), strict=True)
            ],
            np.int32,
        )
        live = np.array(tick.live, bool)[of]
        si = packet.to_si(fixes)
        placed = self._place(bib, measured_at_us, si, live)
        rows = len(of)
        row_id = np.arange(self.row_end, self.row_end + rows)
        self.row_end += rows
        digest = np.array([digest_of(raw) for raw in tick.packets], np.uint64)[of]
        battery = fixes.status >> 4
        return _table(
            number,
            {
                "row_id": row_id,
                "device": device.astype(np.int32),
                "generation": (head[:, 3] & 0xFF).astype(np.uint8),
                "boot": head[:, 2].astype(np.uint16),
                "seq": head[:, 4].astype(np.uint32),
                "fix_index": fixes.fix_index,
                "digest": digest,
                "bib": bib,
                "live": live,
                "measured_at": _instants(measured_at_us),
                **_heard_columns(tick.heard, of),
                **{name: pa.array(column, from_pandas=True) for name, column in si.items()},
                "fix": (fixes.status & 3).astype(np.uint8),
                "sos": (fixes.status & 4) != 0,
                "impact": (fixes.status & 8) != 0,
                "battery": pa.array(battery, pa.uint8(), mask=battery == packet.NONE_BATTERY),
                **placed,
            },
        ).select(_READINGS_ORDER)

    def _place(
        self,
        bib: npt.NDArray[np.int32],
        measured_at_us: npt.NDArray[np.int64],
        si: Mapping[str, npt.NDArray[Any]],
        live: npt.NDArray[np.bool_],
    ) -> dict[str, Any]:
        """Columns of where the live rows are; what is too old to be live is left unplaced."""
        rows = len(bib)
        columns: dict[str, npt.NDArray[Any]] = {
            name: np.full(rows, np.nan)
            for name in ("distance_m", "to_go_m", "lateral_m", "gradient_pct")
        }
        lap, quality = np.zeros(rows, np.int16), np.full(rows, UNPLACED, np.int8)
        if self.race is not None and live.any():
            readings = Readings(
                bib=bib[live],
                measured_at_us=measured_at_us[live],
                **{name: si[name][live] for name in Readings._fields if name in si},
            )
            placed: Placed = self.race.advance(readings)
            for name, column in columns.items():
                column[live] = getattr(placed, name)
            lap[live], quality[live] = placed.lap, placed.quality
        return {
            **{name: pa.array(column, from_pandas=True) for name, column in columns.items()},
            "lap": pa.array(lap, pa.int16(), mask=quality == UNPLACED),
            "quality": quality,
        }


UNPLACED = 4
_READINGS_ORDER = [
    "row_id", "record", "device", "generation", "boot", "seq", "fix_index", "digest", "bib",
    "live", "measured_at", "heard_at", "received_at", "relay", "rssi_dbm", "latitude_deg",
    "longitude_deg", "altitude_m", "speed_mps", "course_deg", "power_w", "heart_rate_bpm",
    "cadence_rpm", "accuracy_m", "fix", "sos", "impact", "battery", "distance_m", "to_go_m",
    "lateral_m", "gradient_pct", "lap", "quality",
]  # fmt: skip


def _instants(at_us: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(at_us, pa.int64()).cast(_UTC)


def _u64(values: Any) -> pa.Array:
    return pa.array(values, pa.uint64())


def _table(number: int, columns: Mapping[str, Any]) -> pa.Table:
    """A table of these columns behind the record number."""
    rows = len(next(iter(columns.values())))
    return pa.table({"record": pa.array(np.full(rows, number), pa.int64()), **columns})


def _heard_columns(heard: list[Heard], of: npt.NDArray[np.int64]) -> dict[str, Any]:
    relays = np.array([h.relay for h in heard], object)
    times: npt.NDArray[np.int64] = np.array([h[1:4] for h in heard], np.int64)
    return {
        "heard_at": _instants(times[of, 0]),
        "received_at": _instants(times[of, 1]),
        "relay": pa.array(relays[of], pa.string()),
        "rssi_dbm": times[of, 2].astype(np.int8),
    }


def _hearings(number: int, tick: Tick) -> pa.Table:
    identity: npt.NDArray[np.int64] = np.array([a[:3] for a in tick.again], np.int64)
    of = np.arange(len(tick.again))
    heard = _heard_columns([a.heard for a in tick.again], of)
    return _table(
        number,
        {
            "device": identity[:, 0].astype(np.int32),
            "boot": identity[:, 1].astype(np.uint16),
            "seq": identity[:, 2].astype(np.uint32),
            **{name: heard[name] for name in ("relay", "heard_at", "received_at", "rssi_dbm")},
        },
    )
