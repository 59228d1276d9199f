"""What happened, as rows of the view: everything but the readings themselves."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from truck.columns import instants, names, numbers, table
from truck.race.incidents import Change
from truck.race.rulings import Ruling, said
from truck.stretch import Hearings, Rows, Stretch

_INT, _TEXT, _UTC = pa.int64(), pa.string(), pa.timestamp("us", "UTC")
_BUNDLES = {"relay": _TEXT, "boot": _INT, "number": _INT, "digest": pa.uint64()}
_REFUSALS = {"judged_at": _UTC, "reason": _TEXT, "key": _TEXT, "count": _INT}
_EVIDENCE = {
    "reason": _TEXT, "key": _TEXT, "relay": _TEXT, "received_at": _UTC, "data": pa.binary(),
}  # fmt: skip
_RULING = pa.schema(
    {
        "record": _INT, "number": _INT, "decided_at": _UTC, "decided_by": _TEXT, "kind": _TEXT,
        "said": _TEXT, "bib": _INT, "device": _INT, "incident": _INT, "gap_s": pa.float64(),
        "bibs": pa.list_(_INT), "until": _UTC, "withdraws": _INT, "note": _TEXT,
    }
)  # fmt: skip
_CHANGE = pa.schema(
    {
        "record": _INT, "incident": _INT, "said_at": _UTC, "what": _TEXT, "kind": _TEXT,
        "probability": pa.float64(), "bibs": pa.list_(_INT), "started_at": _UTC,
        "distance_m": pa.float64(),
    }
)  # fmt: skip


def rare_rows(ticks: Stretch) -> dict[str, pa.Table]:
    """Further hearings, bundles, refusals and evidence of some ticks; no table where none are."""
    refused = [(row[0], int(ticks.at_us[row[0]]), *row[1:]) for row in ticks.refused]
    rare: list[tuple[str, Rows, Mapping[str, pa.DataType]]] = [
        ("bundles", ticks.bundles, _BUNDLES),
        ("refusals", refused, _REFUSALS),
        ("evidence", ticks.evidence, _EVIDENCE),
    ]
    tables = {name: _of_ticks(ticks, rows, kinds) for name, rows, kinds in rare if rows}
    return tables | ({"hearings": _hearings(ticks)} if len(ticks.again) else {})


def heard_columns(ticks: Stretch, heard: Hearings) -> dict[str, pa.Array]:
    """Who heard it, when, and how well."""
    return {
        "relay": names(heard.relay, ticks.relays),
        "heard_at": instants(heard.heard_at_us),
        "received_at": instants(heard.received_at_us),
        "rssi_dbm": numbers(heard.rssi_dbm.astype(np.int8)),
    }


def ruling_rows(record: int, ruling: Ruling) -> pa.Table:
    """The row of one ruling."""
    row = {
        "record": record, "number": ruling.number, "decided_at": ruling.at_us,
        "decided_by": ruling.by, "kind": ruling.kind, "said": said(ruling), "bib": ruling.bib,
        "device": ruling.device, "incident": ruling.incident, "gap_s": ruling.gap_s,
        "bibs": ruling.bibs, "until": ruling.until_us, "withdraws": ruling.withdraws,
        "note": ruling.note,
    }  # fmt: skip
    return pa.Table.from_pylist([row], _RULING)


def change_rows(number: npt.NDArray[np.int64], changes: Sequence[tuple[int, Change]]) -> pa.Table:
    """A row each of what was newly said of incidents.

    Args:
        number: the journal records of the ticks.
        changes: each with the tick it came of, which counts in `number`.
    """
    rows = [
        {
            "record": int(number[tick]), "incident": change.incident_id, "said_at": change.at_us,
            "what": change.what, "kind": change.kind, "probability": change.probability,
            "bibs": change.bibs, "started_at": change.started_us,
            "distance_m": change.distance_m if np.isfinite(change.distance_m) else None,
        }
        for tick, change in changes
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, _CHANGE)


def _of_ticks(ticks: Stretch, rows: Rows, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """Rows that begin with their tick, behind the record's number."""
    tick, *columns = zip(*rows, strict=True)
    arrays = [pa.array(c, kind) for c, kind in zip(columns, kinds.values(), strict=True)]
    return pa.Table.from_arrays(
        [numbers(ticks.number[list(tick)]), *arrays], names=["record", *kinds]
    )


def _hearings(ticks: Stretch) -> pa.Table:
    return table(
        {
            "record": numbers(ticks.number[ticks.again_tick]),
            "device": numbers(ticks.again[:, 0].astype(np.int32)),
            "boot": numbers(ticks.again[:, 1].astype(np.uint16)),
            "seq": numbers(ticks.again[:, 2].astype(np.uint32)),
            **heard_columns(ticks, ticks.again_heard),
        }
    )
