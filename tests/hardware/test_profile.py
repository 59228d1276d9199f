"""Gradients from drawn altitudes: noise, whole metres, spikes, steps."""

import numpy as np
import pytest

from hardware.profile import profile_of

AIM_PCT = 0.5  # DESIGN 6


def road(seed: int, length_m: float = 60_000.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hilly road every 5 m: distance, altitude, and gradient in per cent over 50 m.

    Its gradient wanders with a standard deviation of 4 % and a memory of 400 m.
    """
    draw = np.random.default_rng(seed)
    at_m = np.arange(0.0, length_m + 5.0, 5.0)
    memory = np.exp(-5.0 / 400.0)
    slope = np.zeros(len(at_m))
    for k, push in enumerate(draw.normal(0.0, 0.04 * np.sqrt(1 - memory**2), len(at_m) - 1), 1):
        slope[k] = memory * slope[k - 1] + push
    slope = np.convolve(slope, np.ones(20) / 20, "same")
    level_m = 500.0 + np.concatenate([[0.0], np.cumsum(slope[:-1] * 5.0)])
    return at_m, level_m, np.convolve(slope, np.ones(10) / 10, "same") * 100.0


def points(spacing_m: float, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed + 100)
    at_m = np.arange(0.0, 60_000.0 + spacing_m, spacing_m)[: int(60_000 / spacing_m) + 1]
    at_m[1:-1] += draw.uniform(-0.3, 0.3, len(at_m) - 2) * spacing_m
    return at_m


def error_pct(drawn_at_m: np.ndarray, drawn_m: np.ndarray, seed: int) -> np.ndarray:
    at_m, _, gradient_pct = road(seed)
    profile = profile_of(drawn_at_m, drawn_m)
    truth = np.interp(profile.distance_m, at_m, gradient_pct)
    return np.asarray(np.abs(profile.gradient_pct - truth)[10:-10])


@pytest.mark.parametrize(
    ("spacing_m", "noise_m", "quantum_m"),
    [
        (10.0, 0.0, 0.0), (10.0, 0.3, 0.0), (10.0, 1.0, 0.0), (10.0, 0.0, 1.0),
        (30.0, 0.3, 0.0), (30.0, 0.0, 1.0), (100.0, 0.0, 0.0), (100.0, 0.0, 1.0),
    ],
)  # fmt: skip
def test_the_gradient_is_right_within_half_a_point(
    spacing_m: float, noise_m: float, quantum_m: float
) -> None:
    errors = []
    for seed in (0, 2, 4):
        at_m, level_m, _ = road(seed)
        drawn_at_m = points(spacing_m, seed)
        drawn_m = np.interp(drawn_at_m, at_m, level_m)
        drawn_m += np.random.default_rng(seed).normal(0.0, 1.0, len(drawn_m)) * noise_m
        if quantum_m:
            drawn_m = np.round(drawn_m / quantum_m) * quantum_m
        errors.append(error_pct(drawn_at_m, drawn_m, seed).mean())
    assert np.mean(errors) < AIM_PCT


@pytest.mark.parametrize("spacing_m", [30.0, 100.0])
def test_metre_noise_at_wide_spacing_still_beats_the_plain_slope(spacing_m: float) -> None:
    at_m, level_m, gradient_pct = road(2)
    drawn_at_m = points(spacing_m, 2)
    drawn_m = np.interp(drawn_at_m, at_m, level_m)
    drawn_m += np.random.default_rng(2).normal(0.0, 1.0, len(drawn_m))
    ours = error_pct(drawn_at_m, drawn_m, 2).mean()
    plain = np.interp(at_m + 60, drawn_at_m, drawn_m) - np.interp(at_m - 60, drawn_at_m, drawn_m)
    naive = np.abs(plain / 120.0 * 100.0 - gradient_pct)[100:-100].mean()
    assert ours < min(0.8, naive)


@pytest.mark.parametrize("spacing_m", [10.0, 30.0, 100.0])
@pytest.mark.parametrize("shape", ["spike", "pair", "step", "drop to zero"])
def test_no_jump_of_the_drawing_becomes_a_wall(spacing_m: float, shape: str) -> None:
    at_m, level_m, gradient_pct = road(0)
    drawn_at_m = points(spacing_m, 0)
    drawn_m = np.interp(drawn_at_m, at_m, level_m)
    for k in (len(drawn_m) // 4, len(drawn_m) // 2):
        length = {"spike": 1, "pair": 2, "step": len(drawn_m), "drop to zero": 8}[shape]
        drawn_m[k : k + length] = 0.0 if shape == "drop to zero" else drawn_m[k : k + length] + 60.0
    profile = profile_of(drawn_at_m, drawn_m)
    assert np.abs(profile.gradient_pct).max() < np.abs(gradient_pct).max() + 3.0
    assert error_pct(drawn_at_m, drawn_m, 0).mean() < AIM_PCT


@pytest.mark.parametrize("end", [0, -1])
def test_a_wrong_first_or_last_point_is_left_out(end: int) -> None:
    at_m, level_m, gradient_pct = road(4)
    drawn_m = level_m.copy()
    drawn_m[end] += 25.0
    assert np.abs(profile_of(at_m, drawn_m).gradient_pct).max() < np.abs(gradient_pct).max() + 1.0


def test_a_real_wall_stays_one() -> None:
    at_m = np.arange(0.0, 4_000.0, 20.0)
    level_m = 100.0 + np.clip(at_m - 2_000.0, 0.0, 400.0) * 0.25  # 400 m at 25 %
    gradient_pct = profile_of(at_m, level_m).gradient_pct
    assert gradient_pct.max() == pytest.approx(25.0, abs=0.5)


def test_a_smooth_road_is_fitted_over_120_m_and_a_noisy_one_over_more() -> None:
    at_m, level_m, _ = road(4)
    assert profile_of(at_m, level_m).window_m == 120.0
    noisy = level_m[::2] + np.random.default_rng(4).normal(0.0, 1.0, len(level_m[::2]))
    assert 160.0 <= profile_of(at_m[::2], noisy).window_m <= 260.0


@pytest.mark.parametrize("spacing_m", [5.0, 10.0, 25.0, 50.0])
def test_errors_that_hang_together_are_not_taken_for_the_road(spacing_m: float) -> None:
    at_m, level_m, gradient_pct = road(4)
    cell_m = np.arange(0.0, 60_050.0, 50.0)  # of a height model, a metre wrong each
    wrong_m = np.random.default_rng(4).normal(0.0, 1.0, len(cell_m))
    drawn_at_m = np.arange(0.0, 60_000.0, spacing_m)
    drawn_m = np.interp(drawn_at_m, at_m, level_m) + np.interp(drawn_at_m, cell_m, wrong_m)
    profile = profile_of(drawn_at_m, drawn_m)
    off_pct = profile.gradient_pct - np.interp(profile.distance_m, at_m, gradient_pct)
    assert 160.0 <= profile.window_m <= 320.0
    assert np.abs(off_pct[10:-10]).mean() < 0.7  # 1.0 over 120 m


def test_without_altitudes_nothing_is_known() -> None:
    profile = profile_of(np.array([0.0, 500.0]), np.full(2, np.nan))
    assert np.isnan(profile.gradient_pct).all()
    assert np.isnan(profile.altitude_m).all()


def test_two_points_are_a_profile() -> None:
    gradient_pct = profile_of(np.array([0.0, 500.0]), np.array([100.0, 120.0])).gradient_pct
    assert gradient_pct == pytest.approx(np.full(51, 4.0))
