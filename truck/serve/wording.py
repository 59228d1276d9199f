"""How numbers and groups read on air."""

from datetime import UTC, datetime

import numpy as np

from truck.race.climbs import Climb
from truck.race.frame import Frame

_PELOTON = 1 / 3  # a group of so many of the riders in groups is the peloton


def gap_text(gap_s: float) -> str:
    """0:00 for the first, +1:23, +1:02:03; empty where it is not known."""
    if not np.isfinite(gap_s):
        return ""
    seconds = round(gap_s)
    if seconds <= 0:
        return "0:00"
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return f"+{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"+{minutes}:{seconds % 60:02}"


def time_text(time_s: float) -> str:
    """21:34.5, to a tenth of a second."""
    tenths = round(time_s * 10)
    minutes, hours = tenths // 600 % 60, tenths // 36_000
    tail = f"{tenths // 10 % 60:02}.{tenths % 10}"
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def instant_text(at_us: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def group_names(frame: Frame) -> dict[int, str]:
    """What each group is called on air, by its id."""
    sizes = frame.groups.size.tolist()
    biggest = int(np.argmax(sizes)) if sizes and max(sizes) >= _PELOTON * sum(sizes) else -1
    names, counted = {}, {"Chasers": 0, "Dropped": 0}
    for k, group in enumerate(frame.groups.group_id.tolist()):
        if k == biggest and sizes[k] > 1:
            name = "Peloton"
        elif k == 0:
            name = "Leaders" if sizes[k] > 1 else "Leader"
        else:
            kind = "Dropped" if 0 <= biggest < k else "Chasers"
            counted[kind] += 1
            name = kind if counted[kind] == 1 else f"{kind} {counted[kind]}"
        names[group] = name
    return names


def climb_name(climb: Climb) -> str:
    """As the road book names it, else by where its top is."""
    return climb.name or f"Climb to km {climb.top_m / 1000:.1f}"
