"""A feed as television gets it: 184 riders, a frame every 6 s, a hole of 30 s in every minute.

Made from a simulated mountain stage by leaving readings out; its truth stays. Rules.
- Gap p95: as in gaps.py, over all riders published on the road or unheard for up to 90 s.
- Phantom: a crash alarm of no crash, as in incidents.py.
- Lost: a rider with a sound device who for 60 s on end is heard (a reading not older than 40 s, the
  hole and a frame), on the road in truth, and yet not published as racing, stopped or unheard with
  a distance within 250 m of the truth.
"""

from pathlib import Path

import gaps
import incidents
import naive
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from figure import Figure, Mean
from progress import WRONG_M
from scene import Bools, Floats, Scene

FRAME_S, HOLE_S, MINUTE_S = 6, 30, 60
HEARD_S = 40.0
LOST_S = 60


def thin(readings: Path, thinned: Path) -> None:
    """Keep what was measured in the seconds of frames, outside the holes; a reading a frame."""
    table = pq.read_table(readings)
    second = pc.divide(table["measured_at"].cast(pa.int64()), 1_000_000).to_numpy()
    kept = (second % FRAME_S == 0) & (second % MINUTE_S >= HOLE_S)
    pq.write_table(table.filter(pa.array(kept)), thinned)


def figures(scene: Scene) -> dict[str, tuple[Figure, Figure]]:
    """By name: ours and the baseline's."""
    judged = gaps.figures(scene)["gap, with holes, p95"]
    alarms = incidents.figures(scene)["incidents, false alarms"]
    name = "184 riders, frames of 6 s, holes of 30 s"
    return {
        f"{name}, gap p95": judged,
        f"{name}, phantom crash alarms": alarms,
        f"{name}, riders lost": (
            Mean(float(lost(scene, scene.ours("distance_m"), scene.shown_on))),
            Mean(float(lost(scene, naive.nearest_m(scene), scene.shown_on))),
        ),
    }


def lost(scene: Scene, distance_m: Floats, published: Bools) -> int:
    """Riders who are lost at any time."""
    with np.errstate(invalid="ignore"):
        right = published & (np.abs(distance_m - scene.truth("distance_m")) <= WRONG_M)
    age_s = scene.seconds[:, None] - scene.readings["at_s"][np.maximum(scene.latest, 0)]
    heard = scene.racing & scene.sound & (scene.latest >= 0) & (age_s <= HEARD_S)
    run, gone = np.zeros(len(scene.bibs), np.int64), np.zeros(len(scene.bibs), bool)
    for row in heard & ~right:
        run = np.where(row, run + 1, 0)
        gone |= run >= LOST_S
    return int(gone.sum())
