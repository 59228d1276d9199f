"""The riders of a simulated stage: bodies, bikes, strength and teams, made from a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.stage import Stage, Starter

Floats = NDArray[np.float64]

_TEAM_RIDERS = 8
_BIKE_KG = 7.8  # with bottles and computer; the rules ask for 6.8
_TRIAL_DRAG = 0.78
_SPACING_S = 60.0  # between the starts of a time trial
_STREAM = 1


@dataclass(frozen=True, eq=False)
class Field:
    """The riders at the start; columns of one entry a rider, in order of `starters`.

    Attributes:
        starters: the start list.
        team: number of the rider's team.
        mass_kg: rider, clothes and bike.
        cda_m2: drag area on the drops, alone.
        crr: rolling resistance.
        cp_w: critical power when fresh.
        w_prime_j: work he can do above it.
        sprint_w: most power for a few seconds.
        climber: 0 to 1, how light and strong he is uphill within this field.
        rest_bpm: heart rate at rest.
        most_bpm: highest heart rate.
        gc_gap_s: behind the leader of the general classification before the stage.
        departs_s: seconds after the first start; all 0 in a road stage.
    """

    starters: tuple[Starter, ...]
    team: NDArray[np.int64]
    mass_kg: Floats
    cda_m2: Floats
    crr: Floats
    cp_w: Floats
    w_prime_j: Floats
    sprint_w: Floats
    climber: Floats
    rest_bpm: Floats
    most_bpm: Floats
    gc_gap_s: Floats
    departs_s: Floats

    def __len__(self) -> int:
        return len(self.starters)

    @property
    def bibs(self) -> NDArray[np.int32]:
        """Bib numbers."""
        return np.array([starter.bib for starter in self.starters], np.int32)


def field_of(stage: Stage, seed: int, riders: int = 184) -> Field:
    """The riders of a start list, or `riders` made-up ones where there is none.

    Body and power follow published figures of professionals: 55 to 82 kg, CdA 0.25 to 0.34 m2 on
    the drops, critical power 4.7 to 6.3 W/kg (higher for the lighter), W' 14 to 26 kJ, sprints of
    900 to 1600 W.
    """
    draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    starters = stage.startlist or made_starters(riders)
    count = len(starters)
    heavy, strong, fast = (_bell(draw, count) for _ in range(3))
    body_kg = np.clip(68.0 + 6.0 * heavy, 55.0, 84.0)
    per_kg = np.clip(5.55 - 0.20 * heavy + 0.26 * strong, 4.7, 6.35)
    names = sorted({starter.team for starter in starters})
    rank = np.argsort(np.argsort(per_kg, kind="stable"), kind="stable")
    climber: Floats = rank / max(1, count - 1)
    return Field(
        starters=tuple(starters),
        team=np.array([names.index(starter.team) for starter in starters], np.int64),
        mass_kg=body_kg + _BIKE_KG,
        cda_m2=_position(stage)
        * np.clip(0.29 + 0.012 * heavy + 0.010 * _bell(draw, count), 0.25, 0.34),
        crr=np.clip(0.0040 + 0.0003 * _bell(draw, count), 0.0032, 0.0050),
        cp_w=body_kg * per_kg,
        w_prime_j=np.clip(19_500.0 + 2_500.0 * (heavy + fast), 12_000.0, 28_000.0),
        sprint_w=body_kg * np.clip(16.0 + 2.2 * fast, 11.5, 21.0),
        climber=climber,
        rest_bpm=np.clip(48.0 + 5.0 * _bell(draw, count), 36.0, 64.0),
        most_bpm=np.clip(190.0 + 7.0 * _bell(draw, count), 172.0, 208.0),
        gc_gap_s=_gc_gaps(starters, climber, draw),
        departs_s=_departures(stage, starters),
    )


def _position(stage: Stage) -> float:
    """Share of the drag on a road bike that is left on a time trial bike."""
    return _TRIAL_DRAG if stage.kind == "time-trial" else 1.0


def made_starters(riders: int) -> tuple[Starter, ...]:
    """A start list of made-up riders, eight a team, bibs as in a grand tour (1-8, 11-18, ...)."""
    return tuple(
        Starter(
            bib=k // _TEAM_RIDERS * 10 + k % _TEAM_RIDERS + 1,
            name=f"Rider {k + 1}",
            team=f"Team {k // _TEAM_RIDERS + 1:02d}",
        )
        for k in range(riders)
    )


def _bell(draw: np.random.Generator, count: int) -> Floats:
    """About normal, mean 0 and sd 1, by + and * alone: the same bits on every machine."""
    parts = draw.random((6, count))
    return np.asarray(
        (parts[0] + parts[1] + parts[2] + parts[3] + parts[4] + parts[5] - 3.0) * np.sqrt(2.0)
    )


def _gc_gaps(starters: tuple[Starter, ...], climber: Floats, draw: np.random.Generator) -> Floats:
    """As the start list says; made up, for a first week, where it says nothing."""
    if any(starter.gc_gap_s is not None for starter in starters):
        last_s = max(starter.gc_gap_s or 0.0 for starter in starters)
        return np.array([last_s if s.gc_gap_s is None else s.gc_gap_s for s in starters])
    form = 1.0 - climber + 0.5 * draw.random(len(starters))
    gap_s = 1_500.0 * form * form
    return np.asarray(np.round(gap_s - gap_s.min()))


def _departures(stage: Stage, starters: tuple[Starter, ...]) -> Floats:
    """Of a time trial: the list's start times, the others one a minute in the list's order."""
    if stage.kind != "time-trial":
        return np.zeros(len(starters))
    first_s = stage.start_at_s
    if first_s is None:
        first_s = min((s.start_at_s for s in starters if s.start_at_s is not None), default=0.0)
    return np.array(
        [
            _SPACING_S * k if s.start_at_s is None else max(0.0, s.start_at_s - first_s)
            for k, s in enumerate(starters)
        ]
    )
