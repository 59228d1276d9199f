"""A stretch of ticks as columns: what the view folds at once, one tick live, hundreds after a stop.

Read from the journal's payloads (`truck.tick` writes them), so live and rebuild see the same.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import cbor2
import numpy as np
import numpy.typing as npt

from hardware.errors import Damaged
from truck.journal import Record
from truck.tick import VERSION

_Ints = npt.NDArray[np.int64]
Rows = list[tuple[Any, ...]]


class Hearings(NamedTuple):
    """Who heard what; `relay` counts in the stretch's `relays`."""

    relay: _Ints
    heard_at_us: _Ints
    received_at_us: _Ints
    rssi_dbm: _Ints

    def take(self, which: _Ints) -> "Hearings":
        """Some of the rows."""
        return Hearings._make(column[which] for column in self)


class Stretch(NamedTuple):
    """Columns, and rows of what is rare; a `tick` counts in `number`.

    Attributes:
        number: the ticks' journal records.
        at_us: when each was judged.
        relays: names.
        packets: accepted ones of all ticks, whole, in order.
        tick: of each packet.
        live: beside `packets`.
        heard: beside `packets`.
        again: device, boot and seq of further hearings, shape [rows, 3].
        again_tick: of each of them.
        again_heard: beside `again`.
        bundles: (tick, relay, boot, number, digest).
        refused: (tick, reason, key, count).
        evidence: (tick, reason, key, relay, received_at_us, data).
    """

    number: _Ints
    at_us: _Ints
    relays: list[str]
    packets: list[bytes]
    tick: _Ints
    live: npt.NDArray[np.bool_]
    heard: Hearings
    again: _Ints
    again_tick: _Ints
    again_heard: Hearings
    bundles: Rows
    refused: Rows
    evidence: Rows


def decode_stretch(records: Sequence[Record]) -> Stretch:
    """The ticks of some TICK records.

    Raises:
        Damaged: one is of another version or shape; its chain held, so we wrote it wrongly.
    """
    try:
        return _decode(records, [cbor2.loads(record.payload) for record in records])
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise Damaged(
            f"journal record {records[0].number} or one soon after it does not decode: {error}"
        ) from error


def _decode(records: Sequence[Record], ticks: list[dict[int, Any]]) -> Stretch:
    for record, fields in zip(records, ticks, strict=True):
        if fields[1] != VERSION:
            raise Damaged(
                f"journal record {record.number} is a tick of version {fields[1]}: this truck "
                f"reads version {VERSION}"
            )
    order = np.arange(len(ticks))
    tick = np.repeat(order, [len(fields[5]) // 4 for fields in ticks])
    again = _ints(fields[8] for fields in ticks).reshape(-1, 3)
    again_tick = np.repeat(order, [len(fields[8]) // 24 for fields in ticks])
    relays_before = np.cumsum([0, *(len(fields[3]) for fields in ticks)])
    return Stretch(
        number=np.array([record.number for record in records], np.int64),
        at_us=np.array([fields[2] for fields in ticks], np.int64),
        relays=list(chain.from_iterable(fields[3] for fields in ticks)),
        packets=list(chain.from_iterable(_cut(fields[4], fields[5]) for fields in ticks)),
        tick=tick,
        live=np.frombuffer(b"".join(fields[7] for fields in ticks), np.uint8) != 0,
        heard=_hearings([fields[6] for fields in ticks], relays_before[tick]),
        again=again,
        again_tick=again_tick,
        again_heard=_hearings([fields[9] for fields in ticks], relays_before[again_tick]),
        bundles=_rows(fields[10] for fields in ticks),
        refused=_rows(fields[11] for fields in ticks),
        evidence=_rows(fields[12] for fields in ticks),
    )


def _cut(joined: bytes, lengths: bytes) -> list[bytes]:
    sizes = np.frombuffer(lengths, "<u4")
    ends = np.cumsum(sizes).tolist()
    if len(joined) != (ends[-1] if ends else 0):
        raise ValueError("packets of other lengths than it says")
    return [joined[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]


def _hearings(columns: list[list[bytes]], relays_before: _Ints) -> Hearings:
    """`relays_before` says for each row how many names come before its tick's own."""
    relay, *others = (_ints(tick[k] for tick in columns) for k in range(4))
    return Hearings(relay + relays_before, *others)


def _ints(parts: Any) -> _Ints:
    return np.frombuffer(b"".join(parts), "<i8").astype(np.int64, copy=False)


def _rows(parts: Any) -> Rows:
    return [(tick, *row) for tick, rows in enumerate(parts) for row in rows]
