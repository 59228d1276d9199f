"""Road load, shelter and W': against what can be worked out by hand, and published figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.virtual import physics
from hardware.virtual.physics import Floats

MASS_KG = np.array([76.0])
AIR = 1.2


def column(value: float) -> Floats:
    return np.array([value])


def load(speed: Floats, gradient: float, headwind: float = 0.0, crosswind: float = 0.0) -> Floats:
    drag = column(0.5 * AIR * 0.29)
    return physics.load_n(
        speed, MASS_KG, column(gradient), column(0.004), drag, column(headwind), column(crosswind)
    )


def steady_speed(power_w: float, gradient: float, headwind: float) -> float:
    """Where power at the wheel equals drag, rolling and slope: Martin 1998 by bisection."""
    low, high = 0.0, 60.0
    for _ in range(80):
        speed = (low + high) / 2
        slope_n = 9.81 * 76.0 * (gradient + 0.004) / (1 + gradient**2) ** 0.5
        air_n = 0.5 * AIR * 0.29 * abs(speed + headwind) * (speed + headwind)
        low, high = (speed, high) if (slope_n + air_n) * speed < power_w * 0.976 else (low, speed)
    return low


@pytest.mark.parametrize(
    ("power_w", "gradient", "headwind"),
    [(250.0, 0.0, 0.0), (400.0, 0.08, 0.0), (300.0, 0.18, 2.0), (150.0, -0.05, 0.0),
     (350.0, 0.0, -6.0)],
)  # fmt: skip
def test_a_steady_power_ends_at_the_speed_worked_out_by_hand(
    power_w: float, gradient: float, headwind: float
) -> None:
    speed = column(0.0)
    for _ in range(1_500):
        force = load(speed, gradient, headwind)
        speed = physics.speed_after(column(power_w), speed, force, MASS_KG)
    assert speed[0] == pytest.approx(steady_speed(power_w, gradient, headwind), abs=1e-6)


@given(st.floats(0.0, 25.0), st.floats(0.0, 25.0), st.floats(-0.2, 0.2), st.floats(-12.0, 12.0))
def test_the_power_for_a_speed_takes_a_rider_to_that_speed(
    before: float, after: float, gradient: float, wind: float
) -> None:
    force = load(column(before), gradient, wind, wind)
    power = physics.power_for_w(column(after), column(before), force, MASS_KG)
    if power[0] > 0.0:
        reached = physics.speed_after(power, column(before), force, MASS_KG)
        assert reached[0] == pytest.approx(after, abs=1e-9)


def test_shelter_is_that_of_wind_tunnels() -> None:
    in_line = physics.shelter_of(np.arange(4) * 2.3)
    assert in_line[0] > 0.9
    assert 0.60 <= in_line[1] <= 0.72
    assert 0.50 <= in_line.mean() <= 0.70
    peloton = physics.shelter_of(np.arange(121) * 0.45)
    assert 0.05 <= np.median(peloton[40:]) <= 0.11
    assert physics.shelter_of(np.array([0.0, 40.0]))[1] == 1.0


def test_a_wheel_saves_a_third_of_the_air_and_a_crosswind_takes_some_of_that_away() -> None:
    places = np.arange(10) * 2.0
    assert (np.diff(physics.shelter_of(places)[:8]) < 0.0).all()
    gutter = physics.shelter_of(places, np.full(10, 0.1))
    assert (gutter[1:-1] > physics.shelter_of(places)[1:-1]).all()


@given(st.lists(st.floats(0.0, 1_800.0), min_size=1, max_size=200))
def test_w_balance_stays_between_nothing_and_whole(powers: list[float]) -> None:
    balance, whole, cp = column(20_000.0), column(20_000.0), column(400.0)
    for power in powers:
        balance = physics.w_balance_after(balance, column(power), cp, whole)
        assert 0.0 <= balance[0] <= whole[0]


def test_who_has_spent_w_prime_has_critical_power_left_and_regains_it_slowly() -> None:
    cp, sprint, whole = column(400.0), column(1_200.0), column(20_000.0)
    balance = whole
    for _ in range(100):
        balance = physics.w_balance_after(balance, column(600.0), cp, whole)
    assert balance[0] == 0.0
    assert physics.most_power_w(cp, sprint, balance, whole)[0] == 400.0
    assert physics.most_power_w(cp, sprint, whole, whole)[0] == 1_200.0
    for _ in range(100):
        balance = physics.w_balance_after(balance, column(200.0), cp, whole)
    # Skiba 2015: time constant W' / (CP - P), here 100 s
    assert balance[0] == pytest.approx(20_000.0 * (1 - np.exp(-1)), rel=0.01)


def test_thin_and_warm_air_weighs_less() -> None:
    air = physics.air_kgpm3(np.array([0.0, 1_000.0, 2_500.0]), 15.0)
    # ISO 2533: pressure 1013.25, 898.7 and 746.8 hPa; here at 15 degrees throughout
    assert air == pytest.approx([1.225, 1.0866, 0.903], rel=0.003)
    assert physics.air_kgpm3(np.zeros(1), 35.0)[0] < 1.15
