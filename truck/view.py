"""The view as a fold: journal records in, table rows and live race state out.

Pure and deterministic: the same records give the same rows and the same state, whether they come
one by one live, after a restart from a snapshot, or hundreds at once in a rebuild.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import cbor2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hardware import packet
from hardware.errors import Damaged, Refused
from hardware.roster import Roster, open_roster
from hardware.sealing import open_body, packet_cipher
from hardware.stage import stage_from_files
from truck.columns import flags, instants, measures, numbers, table
from truck.happenings import change_rows, heard_columns, rare_rows, ruling_rows
from truck.journal import Record
from truck.race.race import Placed, Race
from truck.race.readings import Readings
from truck.race.rulings import Rulings, open_ruling
from truck.replay_window import digests_of
from truck.segment import Kind
from truck.stretch import Stretch, decode_stretch
from truck.tick import Tick

SNAPSHOT_EVERY_RECORDS = 128
Tables = dict[str, pa.Table]
_MICROSECONDS_PER_TICK = 10_000


class View:
    """Applies records in order.

    Attributes:
        record: the number of the next record it expects.
        row_end: rows made so far; the next row's id.
        race: live state, or None before a stage is known.
        rulings: what operators decided and holds.
    """

    def __init__(self, event_secret: bytes, authority_public: bytes) -> None:
        self._event_secret, self._authority = event_secret, authority_public
        self._ciphers: dict[int, Any] = {}
        self.record = 0
        self.row_end = 0
        self.race: Race | None = None
        self.roster: Roster | None = None
        self._bound: Roster | None = None  # the roster with the bike swaps
        self.rulings = Rulings()

    def snapshot(self) -> bytes:
        """Everything `restore` needs besides the roster and stage records before it."""
        race = self.race.snapshot() if self.race is not None else None
        return cbor2.dumps([self.record, self.row_end, race, self.rulings.facts()])

    @staticmethod
    def record_of(state: bytes) -> int:
        """The next record a snapshot expects."""
        return int(cbor2.loads(state)[0])

    def restore(self, state: bytes, roster: Record | None, stage: Record | None) -> None:
        """Take up a snapshot; `roster` and `stage` are the last such records before it."""
        if stage is not None:
            self._use_stage(stage)
        self.record, self.row_end, race, rulings = cbor2.loads(state)
        self.rulings = Rulings.of(rulings)
        if roster is not None:
            self._use_roster(roster)
        if self.race is not None and race is not None:
            self.race.restore(race)

    def apply(self, record: Record, tick: Tick | None = None) -> Tables:
        """The rows one record adds; `tick` spares opening its packets again.

        Raises:
            Damaged: records out of order, or one that does not decode.
        """
        return self._apply([record], tick.opened if tick is not None else [], record.number + 1)

    def apply_all(self, records: Sequence[Record]) -> Tables:
        """The rows of many records, as one by one and much sooner; of snapshots the last alone.

        Raises:
            Damaged: as `apply`.
        """
        parts: dict[str, list[pa.Table]] = {}
        for stretch in _stretches(records):
            for name, rows in self._apply(stretch, [], records[-1].number + 1).items():
                parts.setdefault(name, []).append(rows)
        return {name: pa.concat_tables(tables) for name, tables in parts.items()}

    def _apply(self, records: list[Record], opened: list[bytes], end: int) -> Tables:
        """One record of any kind, or several ticks.

        Args:
            records: in order.
            opened: their packets in clear, or none.
            end: up to which record the caller applies; only the last snapshot before it counts.
        """
        if records[0].number != self.record:
            raise Damaged(f"the view expects journal record {self.record}, not {records[0].number}")
        tables: Tables = {}
        kind = records[0].kind
        if kind == Kind.ROSTER:
            self._use_roster(records[0])
        elif kind == Kind.STAGE:
            self._use_stage(records[0])
        elif kind == Kind.RULING:
            tables = self._use_ruling(records[0])
        elif kind == Kind.TICK:
            tables = self._apply_ticks(decode_stretch(records), opened)
        self.record = records[-1].number + 1
        if self.record == end - end % SNAPSHOT_EVERY_RECORDS:
            number = pa.array([self.record - 1], pa.int64())
            tables["snapshots"] = table({"record": number, "state": pa.array([self.snapshot()])})
        return tables

    def _use_roster(self, record: Record) -> None:
        self.roster = open_roster(record.payload, self._authority)
        self._ciphers.clear()
        self._bind()

    def _use_stage(self, record: Record) -> None:
        self.race = Race(stage_from_files(cbor2.loads(record.payload)))
        self.rulings = self.rulings.carried()
        for ruling in self.rulings.in_force():
            self.race.rule(ruling)

    def _use_ruling(self, record: Record) -> Tables:
        if self.roster is None:
            raise Damaged(f"journal record {record.number} holds a ruling before any roster")
        try:
            ruling = open_ruling(record.payload, self.roster.truck_sign_public)
        except Refused as refusal:
            raise Damaged(f"journal record {record.number} holds no ruling: {refusal}") from refusal
        self.rulings.take(ruling)
        self._bind()
        if self.race is not None:
            self.race.rule(ruling)
        tables = {"rulings": ruling_rows(record.number, ruling)}
        return tables | self._said_of_incidents(np.array([record.number]))

    def _bind(self) -> None:
        self._bound = self.roster
        for swap in self.rulings.swaps:
            if self._bound is not None and swap.bib is not None and swap.device is not None:
                self._bound = self._bound.swapped(swap.bib, swap.device, swap.at_us / 1e6)

    def _apply_ticks(self, ticks: Stretch, opened: list[bytes]) -> Tables:
        tables: Tables = {}
        row_end = np.full(len(ticks.number), self.row_end)
        if ticks.packets:
            fixes = packet.decode_fixes(opened or self._open(ticks))
            row_end += np.cumsum(np.bincount(ticks.tick[fixes.packet], minlength=len(row_end)))
            tables["readings"] = self._readings(ticks, fixes)
            self.row_end = int(row_end[-1])
            tables |= self._said_of_incidents(ticks.number)
        tables |= rare_rows(ticks)
        packets = np.bincount(ticks.tick, minlength=len(row_end))
        tables["ticks"] = table(
            {
                "record": numbers(ticks.number),
                "judged_at": instants(ticks.at_us),
                "packets": numbers(packets.astype(np.int32)),
                "row_end": numbers(row_end),
            }
        )
        return tables

    def _said_of_incidents(self, number: npt.NDArray[np.int64]) -> Tables:
        """What the race has newly said; `number` are the records it was given."""
        changes = self.race.take_changes() if self.race is not None else []
        return {"incidents": change_rows(number, changes)} if changes else {}

    def _open(self, ticks: Stretch) -> list[bytes]:
        if self.roster is None:
            raise Damaged(f"journal record {ticks.number[0]} holds packets before any roster")
        roster = self.roster
        return [open_body(raw, self._cipher(raw, roster)) for raw in ticks.packets]

    def _cipher(self, raw: bytes, roster: Roster) -> Any:
        kid = int.from_bytes(raw[4:8], "little")
        if kid not in self._ciphers:
            box_public = roster.device_key(kid).box_public
            self._ciphers[kid] = packet_cipher(self._event_secret, box_public, roster.event_id, kid)
        return self._ciphers[kid]

    def _readings(self, ticks: Stretch, fixes: packet.Fixes) -> pa.Table:
        """One row a fix, placed on the course; moves the live state."""
        if self.roster is None or self._bound is None:
            raise Damaged(f"journal record {ticks.number[0]} holds packets before any roster")
        of = fixes.packet
        clear = b"".join([raw[: packet.HEADER_BYTES] for raw in ticks.packets])
        head = np.frombuffer(clear, packet.HEADER_DTYPE)[of]
        measured_at_us = round(self.roster.epoch_s * 1e6) + fixes.t_cs * _MICROSECONDS_PER_TICK
        device = (head["kid"] >> 8).astype(np.int32)
        bib = self._bound.bibs_of(device, measured_at_us / 1e6)
        tick, live = ticks.tick[of], ticks.live[of]
        si = packet.to_si(fixes)
        battery = fixes.status >> 4
        columns = {
            "row_id": numbers(np.arange(self.row_end, self.row_end + len(of))),
            "record": numbers(ticks.number[tick]),
            "device": numbers(device),
            "generation": numbers((head["kid"] & 0xFF).astype(np.uint8)),
            "boot": numbers(head["boot"]),
            "seq": numbers(head["seq"]),
            "fix_index": numbers(fixes.fix_index),
            "digest": numbers(digests_of(ticks.packets)[of]),
            "bib": numbers(bib),
            "live": flags(live),
            "measured_at": instants(measured_at_us),
            **heard_columns(ticks, ticks.heard.take(of)),
            **{name: measures(column) for name, column in si.items()},
            "fix": numbers(fixes.status & 3),
            "sos": flags((fixes.status & 4) != 0),
            "impact": flags((fixes.status & 8) != 0),
            "battery": numbers(battery, battery == packet.NONE_BATTERY),
            **self._place(tick, bib, measured_at_us, si, (fixes.status & 12) != 0, live),
            "stage": pa.repeat(self.race.stage.label if self.race else "", len(of)),
        }
        return table({name: columns[name] for name in _READINGS_ORDER})

    def _place(
        self,
        tick: npt.NDArray[np.int64],
        bib: npt.NDArray[np.int32],
        measured_at_us: npt.NDArray[np.int64],
        si: Mapping[str, npt.NDArray[Any]],
        impact: npt.NDArray[np.bool_],
        live: npt.NDArray[np.bool_],
    ) -> dict[str, pa.Array]:
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
                impact=impact[live].astype(np.float64),
            )
            placed: Placed = self.race.advance(readings, tick[live])
            for name, column in columns.items():
                column[live] = getattr(placed, name)
            lap[live], quality[live] = placed.lap, placed.quality
        return {
            **{name: measures(column) for name, column in columns.items()},
            "lap": numbers(lap, quality == UNPLACED),
            "quality": numbers(quality),
        }


UNPLACED = 4
_READINGS_ORDER = [
    "row_id", "record", "device", "generation", "boot", "seq", "fix_index", "digest", "bib",
    "live", "measured_at", "heard_at", "received_at", "relay", "rssi_dbm", "latitude_deg",
    "longitude_deg", "altitude_m", "speed_mps", "course_deg", "power_w", "heart_rate_bpm",
    "cadence_rpm", "accuracy_m", "fix", "sos", "impact", "battery", "distance_m", "to_go_m",
    "lateral_m", "gradient_pct", "lap", "quality", "stage",
]  # fmt: skip


def _stretches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Runs of ticks that neither another kind of record nor a snapshot cuts."""

    def run_of(record: Record) -> tuple[int, int]:
        size = SNAPSHOT_EVERY_RECORDS if record.kind == Kind.TICK else 1
        return record.kind, record.number // size

    for _, run in groupby(records, run_of):
        yield list(run)
