"""Crash alarms against true crashes.

Rules.
- An alarm is an incident that is said, at any time, to be a crash with a probability of 0.5 or
  more. Each such saying counts from its instant and with the bibs named in it; that the incident
  is called something else later does not unsay it.
- An alarm finds a true crash when one of its sayings names a rider who crashed, from 5 s before the
  crash to 120 s after. Recall is over true crashes after the flag, of three riders or more and of
  fewer apart.
- An alarm that never names such a rider is still of a crash when it lies within 150 m of one in
  that time: riders held up behind a crash stand too. It adds nothing to recall.
- Precision is crashes with an alarm by the same and the false alarms, those of no crash; several
  alarms of one crash count once.
- First warning: from the true start to the first saying that finds it, over crashes that were
  found. First word: likewise, of an incident of any kind and probability.
- Recall, precision and delays are pooled over stages; devices are not told apart.
"""

from collections.abc import Sequence

import naive
import numpy as np
from figure import Figure, Mean, Quantile, Share
from scene import CRASH, Alarm, Event, Scene

EARLY_S = 5.0
LATE_S = 120.0
NEAR_M = 150.0
MASS = 3
SURE = 0.5


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    last_s = float(scene.seconds[-1])
    crashes = [
        e for e in scene.events if e.kind == CRASH and e.distance_m >= 0 and e.started_s <= last_s
    ]
    ours = judge(crash_alarms(scene.alarms), crashes)
    plain_alarms = naive.still_alarms(scene)
    plain = judge(plain_alarms, crashes)
    found = {name: (ours[name], plain[name]) for name in ours}
    word = [Quantile(delays(said, crashes), 0.95) for said in (scene.alarms, plain_alarms)]
    return found | {"incidents, first word of any kind p95": (word[0], word[1])}


def crash_alarms(said: Sequence[Alarm]) -> list[Alarm]:
    """Whatever was said to be a crash rather than not."""
    return [alarm for alarm in said if alarm.kind == CRASH and alarm.probability >= SURE]


def judge(alarms: Sequence[Alarm], crashes: Sequence[Event]) -> dict[str, Figure]:
    """The figures of one stage's crash alarms, each told by one saying or more."""
    found: dict[int, float] = {}
    seen: set[int] = set()
    of_crash: dict[int, bool] = {}
    for alarm in sorted(alarms, key=lambda alarm: alarm.raised_s):
        in_time = [
            k for k, crash in enumerate(crashes)
            if -EARLY_S <= alarm.raised_s - crash.started_s <= LATE_S
        ]  # fmt: skip
        hit = [k for k in in_time if alarm.bibs & crashes[k].bibs]
        near = [k for k in in_time if abs(alarm.distance_m - crashes[k].distance_m) <= NEAR_M]
        for k in hit:
            found.setdefault(k, max(0.0, alarm.raised_s - crashes[k].started_s))
        seen.update(hit or near[:1])
        of_crash[alarm.incident_id] = of_crash.get(alarm.incident_id, False) or bool(hit or near)
    false = sum(not right for right in of_crash.values())
    mass = [len(crash.bibs) >= MASS for crash in crashes]
    taken_s = tuple(found.values())
    return {
        "incidents, recall of crashes of 3 or more": _recall(found, mass, True),
        "incidents, recall of crashes of 1 or 2": _recall(found, mass, False),
        "incidents, precision": Share(float(len(seen)), float(len(seen) + false)),
        "incidents, first warning p50": Quantile(taken_s, 0.5),
        "incidents, first warning p95": Quantile(taken_s, 0.95),
        "incidents, false alarms": Mean(float(false)),
    }


def delays(said: Sequence[Alarm], crashes: Sequence[Event]) -> tuple[float, ...]:
    """From each crash to the first thing said about one of its riders, in the time of an alarm."""
    found = []
    for crash in crashes:
        after_s = [a.raised_s - crash.started_s for a in said if a.bibs & crash.bibs]
        in_time = [max(0.0, after) for after in after_s if -EARLY_S <= after <= LATE_S]
        found += [min(in_time)] if in_time else []
    return tuple(found)


def _recall(found: dict[int, float], mass: list[bool], wanted: bool) -> Share:
    among = np.array([k for k, is_mass in enumerate(mass) if is_mass == wanted], np.int64)
    return Share(float(np.isin(among, list(found)).sum()), float(len(among)))
