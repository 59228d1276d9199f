"""Riders whom the public does not see: taken out of a frame before anything is made of it."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from truck.race.frame import Frame, GroupColumns, RiderColumns
from truck.race.incidents import Change
from truck.serve.moments import Moment


def without(frame: Frame, bibs: frozenset[int]) -> Frame:
    """The frame as if these riders were not there; others' places and gaps stay as they are.

    A group is smaller by them and named by its first rider who is seen, and gone where nobody of
    it is; an incident is told without them, and not at all where it concerns nobody else.
    """
    if not bibs:
        return frame
    keep = ~np.isin(frame.riders.bib, np.fromiter(bibs, np.int64))
    if keep.all() and not any(bibs & set(one.bibs) for one in (*frame.changes, *frame.open)):
        return frame
    riders = RiderColumns(**_rows(frame.riders, keep))
    return replace(
        frame,
        riders=riders,
        groups=_groups(frame.groups, riders),
        changes=_told(frame.changes, bibs),
        open=_told(frame.open, bibs),
    )


def seen_of(moments: Iterable[Moment], bibs: frozenset[int]) -> list[Moment]:
    """Moments without these riders; those that are of nobody else go."""
    seen = []
    for one in moments:
        left = tuple(bib for bib in one.bibs if bib not in bibs)
        if left or not one.bibs:
            seen.append(one._replace(bibs=left))
    return seen


def _groups(groups: GroupColumns, riders: RiderColumns) -> GroupColumns:
    """Groups of those who are left; `riders` are in standings order, so the first is in front."""
    left = [np.flatnonzero(riders.group_id == one) for one in groups.group_id]
    keep = np.array([len(rows) > 0 for rows in left], np.bool_)
    first = np.array([rows[0] for rows in left if len(rows)], np.int64)
    size = np.array([len(rows) for rows in left if len(rows)], groups.size.dtype)
    columns = _rows(groups, keep) | {"size": size, "first_bib": riders.bib[first]}
    return GroupColumns(**columns)


def _rows(
    columns: RiderColumns | GroupColumns, keep: np.typing.NDArray[np.bool_]
) -> dict[str, Any]:
    kept = {}
    for field in fields(columns):
        column = getattr(columns, field.name)
        if isinstance(column, tuple):
            kept[field.name] = tuple(v for v, k in zip(column, keep, strict=True) if k)
        else:
            kept[field.name] = column[keep]
    return kept


def _told(changes: list[Change], bibs: frozenset[int]) -> list[Change]:
    """An incident of nobody, as a split of the race, stays."""
    told = []
    for one in changes:
        seen = tuple(bib for bib in one.bibs if bib not in bibs)
        if seen or not one.bibs:
            told.append(one._replace(bibs=seen))
    return told
