"""How badly a stage is sensed and heard: counts and shares, drawn by seed or set one by one.

The figures are those of public feeds of three Grand Tours (DESIGN 1) where there are any:
159 stale fixes of yesterday's finish on one stage, 30 s holes of the whole feed every minute on
some, up to a fifth of the riders on spare bikes without a sensor, clocks wrong by 3 s.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Faults:
    """What goes wrong; the defaults are a day on which nothing does.

    Attributes:
        every_s: between two readings of a tracker.
        in_step: all trackers measure at the same instants, else each in its own part of a second.
        step_deg: what coordinates are rounded to.
        gorges: stretches where walls reflect the satellites' signals.
        tunnels: stretches without a fix.
        clocks: trackers whose clock is 3 s off.
        stale: trackers that send yesterday's finish for some seconds at power-on or restart.
        yesterday: trackers that first send readings they kept from yesterday.
        dead: trackers that fall silent though their riders go on.
        swaps: riders who change bikes and leave the tracker on the old one, in a car.
        swaps_silent: riders who change to a bike without a tracker.
        wrong_pairs: pairs of riders whose bibs are exchanged.
        corrected_share: of these pairs that an operator puts right during the stage.
        roofs: spare bikes on car roofs that report under numbers nobody wears.
        doubles_on_roofs: spare bikes that report under a starter's bib.
        holes: times at which nothing at all is heard for 20 to 60 s.
        hole_every_minute: nothing is heard for 30 s of every minute.
        rider_gaps: times at which one to three riders are out of reach.
        stretch_gaps: times at which a stretch of the race is out of reach.
        filled_share: of what was out of reach that relays deliver later.
        lost_share: of readings lost one by one.
        doubled_share: of readings heard twice.
        straggling_share: of readings that are 3 to 15 s late.
        power_share: of riders with a power meter; likewise the next two.
        heart_rate_share: of riders with a strap.
        cadence_share: of riders with a cadence sensor.
    """

    every_s: int = 1
    in_step: bool = True
    step_deg: float = 1e-7
    gorges: int = 0
    tunnels: int = 0
    clocks: int = 0
    stale: int = 0
    yesterday: int = 0
    dead: int = 0
    swaps: int = 0
    swaps_silent: int = 0
    wrong_pairs: int = 0
    corrected_share: float = 0.0
    roofs: int = 0
    doubles_on_roofs: int = 0
    holes: int = 0
    hole_every_minute: bool = False
    rider_gaps: int = 0
    stretch_gaps: int = 0
    filled_share: float = 0.0
    lost_share: float = 0.0
    doubled_share: float = 0.0
    straggling_share: float = 0.0
    power_share: float = 1.0
    heart_rate_share: float = 1.0
    cadence_share: float = 1.0


def faults_of(seed: int, hours: float) -> Faults:
    """A stage's faults; some seeds are quiet days, some are bad ones."""
    draw = np.random.default_rng((seed, 7))
    bad = float(draw.choice((0.4, 1.0, 2.0), p=(0.35, 0.45, 0.2)))

    def some(mean: float) -> int:
        return int(draw.poisson(mean * bad))

    every_s = int(draw.integers(2, 7)) if draw.random() < 0.3 else 1
    hole_every_minute = bool(draw.random() < 0.2)
    return Faults(
        every_s=every_s,
        in_step=bool(draw.random() < 0.5),
        step_deg=1e-5 if draw.random() < 0.1 else 1e-7,
        gorges=some(0.8),
        tunnels=some(0.8),
        clocks=some(4.0),
        stale=some(6.0),
        yesterday=some(0.7),
        dead=some(1.5),
        swaps=some(1.5),
        swaps_silent=some(2.0),
        wrong_pairs=some(0.4),
        corrected_share=0.5,
        roofs=some(2.5),
        doubles_on_roofs=some(0.4),
        holes=some(0.4 * hours),
        hole_every_minute=hole_every_minute,
        rider_gaps=some(5.0 * hours),
        stretch_gaps=some(0.8 * hours),
        filled_share=float(draw.uniform(0.3, 0.8)),
        lost_share=float(draw.uniform(0.002, 0.015)) * bad,
        doubled_share=float(draw.uniform(0.002, 0.04)),
        straggling_share=float(draw.uniform(0.001, 0.01)) * bad,
        power_share=float(draw.uniform(0.3, 0.7)),
        heart_rate_share=float(draw.uniform(0.4, 0.9)),
        cadence_share=float(draw.uniform(0.3, 0.7)),
    )
