"""The road as it lies in the land: near the drawn line, but not on it.

Whoever drew the route clicked on a map or drove it with a receiver; the asphalt is some metres
beside that, further in some places than in others, and the same at every pass.
"""

import numpy as np
from numpy.typing import NDArray

from hardware.route import Floats, line_of
from hardware.stage import Stage

STEP_M = 5.0
_RUN_UP_M, _RUN_OUT_M = 1_000.0, 4_000.0
_HEADING_M = 20.0
_PROFILE_M = 150.0  # a profile's noise is shorter than this, hills are not
_NO_PROFILE_M = 250.0
_OFF_M = 2.5  # deviation an axis: routes of races against the tracks of five riders, 2 to 3 m
_WAVE_M = (400.0, 1_600.0)  # of the offset: it is another after about 200 m
_WAVES = 24
_SPOT_M = 60.0  # passes nearer to each other than this are one place


class Asphalt:
    """Tables every `STEP_M` along a stage's road, straight on beyond both of its ends.

    What geodesy and cosines give is rounded before it is used, so that another machine's last
    bits change nothing.
    """

    def __init__(self, stage: Stage, draw: np.random.Generator) -> None:
        line = line_of(stage)
        along_m = np.round(line.distance_m, 3)
        self._first_m = float(along_m[0]) - _RUN_UP_M
        count = int((along_m[-1] + _RUN_OUT_M - self._first_m) / STEP_M)
        at_m: Floats = self._first_m + STEP_M * np.arange(count, dtype=np.float64)
        lat = _extended(at_m, along_m, line.latitude_deg)
        lon = _extended(at_m, along_m, line.longitude_deg)
        north_m, east_m = _degrees(lat)
        x, y = (lon - lon[0]) * east_m, (lat - lat[0]) * north_m
        off_x, off_y = (_offset(x, y, draw) for _ in range(2))
        half = round(_HEADING_M / 2 / STEP_M)
        run_x, run_y = (_spread(series, half) for series in (lon, lat))
        run_x, run_y = run_x * east_m, run_y * north_m
        run = np.maximum(np.sqrt(run_x * run_x + run_y * run_y), 1e-9)
        level = np.interp(at_m, along_m, line.altitude_m)
        level = np.where(np.isfinite(level), level, _NO_PROFILE_M)
        self._table = np.stack(
            [lat + off_y / north_m, lon + off_x / east_m, run_x / run, run_y / run,
             1.0 / north_m, 1.0 / east_m, _mean(level, round(_PROFILE_M / 2 / STEP_M))],
            axis=1,
        )  # fmt: skip

    def passes(self, from_m: float, to_m: float, distance_m: Floats) -> NDArray[np.bool_]:
        """Whether distances lie on a stretch of the road, at whichever pass of it."""
        spots = np.floor(self._table[:, :2] / self._table[0, 4:6] / _SPOT_M).astype(np.int64)
        keys = spots[:, 0] * 1_000_000 + spots[:, 1]
        first, last = self._rows(np.array([from_m, to_m])).astype(np.int64)
        within = np.isin(keys, keys[first : last + 1])
        return np.asarray(within[self._rows(distance_m).astype(np.int64)])

    def _rows(self, distance_m: Floats) -> Floats:
        return np.clip((distance_m - self._first_m) / STEP_M, 0.0, len(self._table) - 2.0)

    def place(
        self, distance_m: Floats, right_m: NDArray[np.floating], ahead_m: NDArray[np.floating],
        east_m: NDArray[np.floating], north_m: NDArray[np.floating],
    ) -> tuple[Floats, Floats, Floats]:  # fmt: skip
        """Latitude, longitude and altitude of points beside the road.

        Args:
            distance_m: along the road from the flag.
            right_m: to the right of the riding direction.
            ahead_m: along the tangent.
            east_m: a further shift, as a receiver's error is.
            north_m: the same.
        """
        rows = self._rows(distance_m)
        low = rows.astype(np.int64)
        part = (rows - low)[:, None]
        before = self._table[low]
        at = before + (self._table[low + 1] - before) * part
        lat, lon, east, north, lat_m, lon_m, level = at.T
        shift_x = right_m * north + ahead_m * east + east_m
        shift_y = ahead_m * north - right_m * east + north_m
        return lat + shift_y * lat_m, lon + shift_x * lon_m, level


def _degrees(lat_deg: Floats) -> tuple[Floats, Floats]:
    """Metres of a degree of latitude and of longitude on WGS 84, to a millimetre."""
    phi = np.radians(lat_deg)
    north = 111_132.954 - 559.822 * np.cos(2 * phi) + 1.175 * np.cos(4 * phi)
    east = 111_412.84 * np.cos(phi) - 93.5 * np.cos(3 * phi) + 0.118 * np.cos(5 * phi)
    return np.round(north, 3), np.round(east, 3)


def _extended(at_m: Floats, along_m: Floats, values: Floats) -> Floats:
    """A coordinate on the grid, straight on beyond the ends."""
    first_m, last_m = along_m[0], along_m[-1]
    inner = np.interp([first_m + _HEADING_M, last_m - _HEADING_M], along_m, values)
    rise_first, rise_last = inner[0] - values[0], values[-1] - inner[1]
    return np.asarray(
        np.interp(at_m, along_m, values)
        + rise_first / _HEADING_M * np.minimum(at_m - first_m, 0.0)
        + rise_last / _HEADING_M * np.maximum(at_m - last_m, 0.0)
    )


def _offset(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    """Metres off the drawn line, a function of the place."""
    off = np.zeros(len(x))
    for _ in range(_WAVES):
        wave_m = _WAVE_M[0] + (_WAVE_M[1] - _WAVE_M[0]) * draw.random() ** 2
        angle, phase = draw.uniform(0.0, 2 * np.pi, 2)
        off += np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / wave_m) + phase)
    return np.asarray(np.round(off * (_OFF_M * np.sqrt(2.0 / _WAVES)), 3))


def _spread(values: Floats, half: int) -> Floats:
    padded = np.pad(values, half, mode="edge")
    return np.asarray(padded[2 * half :] - padded[: -2 * half])


def _mean(values: Floats, half: int) -> Floats:
    sums = np.cumsum(np.append(0.0, np.pad(values, half, mode="edge")))
    width = 2 * half + 1
    return np.asarray(np.round((sums[width:] - sums[:-width]) / width, 3))
