"""What kind of event a halt is, with its odds: a naive Bayes whose tables stand below.

No figure here is fitted to simulated races. Braking is from 199 stops of the 20 real rides we have
(traffic lights, junctions, rests: median 0.9, 95 % under 2.3 m/s2 over two seconds, none that
lasted 4 s above 2.4) and from mechanics for a fall (a body and a bike slide with a friction of 0.5
to 0.7, Hague 2001 for two-wheelers); shares are what race reports of a grand tour's stages say,
rounded.
"""

import math
from typing import NamedTuple

KINDS = (
    "crash", "mechanical", "comfort_stop", "feed_zone", "level_crossing", "signal_lost",
    "abandoned",
)  # fmt: skip
_OF_HALTS = KINDS[:5]


class Evidence(NamedTuple):
    """What is known of one event.

    Attributes:
        riders: who stopped there within a minute.
        braking_mps2: the median of the hardest third of them, or of three.
        at_least: whether it is only known that it was no less.
        from_mps: the speed that they came from.
        sparse_s: between the fixes that saw it.
        together_s: from the first of their onsets to the third, NaN with fewer.
        shut: whether riders close behind stand before it and none has passed; None if unknown.
        left: whether the tracker lost the rider's heartbeat just then; None if unknown.
        felt: whether a rider's device felt an impact; None if none of them can tell.
        feeding: whether it lies in a feed zone.
        crossing: whether it lies just before a level crossing.
    """

    riders: int
    braking_mps2: float
    at_least: bool
    from_mps: float
    sparse_s: float
    together_s: float
    shut: bool | None
    left: bool | None
    felt: bool | None
    feeding: bool
    crossing: bool


# How often each happens to a rider on a stage, among all halts: a stage of a grand tour sees
# a handful of crashes, a score of punctures and bike changes and as many stops by the road.
_SHARE = {
    "crash": 0.20, "mechanical": 0.42, "comfort_stop": 0.33, "feed_zone": 0.03,
    "level_crossing": 0.02,
}  # fmt: skip

# Mean and deviation of the braking over two seconds. A rider with a flat tyre brakes to stand by
# his car, one who must relieve himself rolls out; a queue that closes up brakes harder.
_BRAKING_MPS2 = {
    "mechanical": (1.3, 0.7), "comfort_stop": (1.1, 0.65), "feed_zone": (1.1, 0.6),
    "level_crossing": (1.4, 0.7),
}  # fmt: skip
# A fall: slowed by friction of 0.55 g, but over two seconds no more than what speed there was.
_FALL_MPS2, _FALL_OF_SPEED, _FALL_SPREAD, _FALL_LEAST = 5.4, 0.45, 0.28, 0.5
_STRANGE = 0.04  # what brakes otherwise than its kind does, evenly over 0 to 8 m/s2
_STRANGE_MPS2 = 8.0
# Fixes further apart than this time the onsets badly, and one false value in them tells of braking.
_BLURRED_S, _BLURRED = 3.6, 0.6

# How many stop: one, two, or three and more.
_RIDERS = {
    "crash": (0.50, 0.15, 0.35),
    "mechanical": (0.95, 0.04, 0.01),  # a team mate waits
    "comfort_stop": (0.45, 0.20, 0.35),
    "feed_zone": (0.50, 0.20, 0.30),
    "level_crossing": (0.04, 0.08, 0.88),  # whoever is behind the bar
}
# Three onsets within 4 s: who falls takes others along, who stops chooses his own moment.
_TOGETHER_S = 4.0
_TOGETHER = {
    "crash": 0.75, "mechanical": 0.2, "comfort_stop": 0.25, "feed_zone": 0.15,
    "level_crossing": 0.35,
}  # fmt: skip
# Nobody gets by: a closed bar's queue; a fall seldom shuts a whole road, and behind
# those who stop at the back there is nobody to pass.
_SHUT = {
    "crash": 0.2, "mechanical": 0.05, "comfort_stop": 0.4, "feed_zone": 0.05,
    "level_crossing": 0.92,
}  # fmt: skip
# The heartbeat is lost as he stops: he left the bike that carries the tracker.
_LEFT = {
    "crash": 0.04, "mechanical": 0.3, "comfort_stop": 0.02, "feed_zone": 0.02,
    "level_crossing": 0.02,
}  # fmt: skip
# An accelerometer's word. Assumed, for want of published figures of race devices: four falls in
# five are felt, a bike that is laid down, leant or thrown on a car seems one sometimes.
_FELT = {
    "crash": 0.8, "mechanical": 0.1, "comfort_stop": 0.05, "feed_zone": 0.03,
    "level_crossing": 0.05,
}  # fmt: skip
# Slower than 6 m/s: on climbs riders seldom fall, and chains drop and legs stop.
_SLOW_MPS = 6.0
_SLOW = {
    "crash": 0.12, "mechanical": 0.3, "comfort_stop": 0.15, "feed_zone": 0.2,
    "level_crossing": 0.15,
}  # fmt: skip
# A feed zone and a crossing are short; elsewhere their kinds hardly happen (a race neutralised
# by the jury looks like a crossing).
_FEEDING = {
    "crash": 0.03, "mechanical": 0.02, "comfort_stop": 0.02, "feed_zone": 0.95,
    "level_crossing": 0.02,
}  # fmt: skip
_CROSSING = {
    "crash": 0.01, "mechanical": 0.005, "comfort_stop": 0.005, "feed_zone": 0.005,
    "level_crossing": 0.8,
}  # fmt: skip


def odds_of(evidence: Evidence) -> dict[str, float]:
    """The probability of each kind that a halt may be, adding up to 1, on a grid of 0.001."""
    weight = {kind: math.log(_SHARE[kind]) + _likelihood(kind, evidence) for kind in _OF_HALTS}
    top = max(weight.values())
    share = {kind: math.exp(value - top) for kind, value in weight.items()}
    whole = sum(share.values())
    return {kind: round(value / whole, 3) for kind, value in share.items()}


def _likelihood(kind: str, evidence: Evidence) -> float:
    seen = min(1.0, _BLURRED_S / max(evidence.sparse_s, 1.0))
    told = (1.0 if seen == 1.0 else _BLURRED) * _braked(kind, evidence)
    told += math.log(_RIDERS[kind][min(evidence.riders, 3) - 1])
    told += _said(_SLOW[kind], evidence.from_mps < _SLOW_MPS)
    told += _said(_FEEDING[kind], evidence.feeding)
    told += _said(_CROSSING[kind], evidence.crossing)
    if evidence.riders >= 3:
        told += seen * _said(_TOGETHER[kind], evidence.together_s <= _TOGETHER_S)
    if evidence.shut is not None:
        told += _said(_SHUT[kind], evidence.shut)
    if evidence.left is not None:
        told += _said(_LEFT[kind], evidence.left)
    if evidence.felt is not None:
        told += _said(_FELT[kind], evidence.felt)
    return told


def _braked(kind: str, evidence: Evidence) -> float:
    if kind == "crash":
        mean = min(_FALL_MPS2, _FALL_OF_SPEED * evidence.from_mps)
        spread = max(_FALL_LEAST, _FALL_SPREAD * mean)
    else:
        mean, spread = _BRAKING_MPS2[kind]
    off = (evidence.braking_mps2 - mean) / spread
    if evidence.at_least:
        harder, strange = (
            0.5 * math.erfc(off / math.sqrt(2.0)),
            1.0 - evidence.braking_mps2 / _STRANGE_MPS2,
        )
        return math.log((1.0 - _STRANGE) * harder + _STRANGE * strange)
    usual = math.exp(-0.5 * off * off) / (spread * math.sqrt(2.0 * math.pi))
    return math.log((1.0 - _STRANGE) * usual + _STRANGE / _STRANGE_MPS2)


def _said(share: float, is_so: bool) -> float:
    return math.log(share if is_so else 1.0 - share)
