"""Made-up roads as GPX, for tests of stage, route and course."""

import numpy as np

HOME = (45.0, 5.0)
NORTH_M, EAST_M = 111_132.0, 78_847.0  # metres a degree there, on WGS84


def gpx(latitude_deg: np.ndarray, longitude_deg: np.ndarray, level_m: np.ndarray | None) -> bytes:
    columns = [latitude_deg.tolist(), longitude_deg.tolist(),
               [None] * len(latitude_deg) if level_m is None else level_m.tolist()]  # fmt: skip
    points = "".join(
        f'<trkpt lat="{lat:.7f}" lon="{lon:.7f}">'
        + ("" if level is None or np.isnan(level) else f"<ele>{level:.2f}</ele>") + "</trkpt>"
        for lat, lon, level in zip(*columns, strict=True)
    )  # fmt: skip
    return (
        '<?xml version="1.0" encoding="UTF-8"?><gpx version="1.1" '
        'xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><trkseg>{points}</trkseg></trk></gpx>"
    ).encode()


def drawn(x_m: np.ndarray, y_m: np.ndarray, level_m: np.ndarray | None = None) -> bytes:
    """The GPX of a road on a plane, metres east and north of 45 N, 5 E."""
    return gpx(HOME[0] + y_m / NORTH_M, HOME[1] + x_m / EAST_M, level_m)


def place(x_m: float, y_m: float) -> tuple[float, float]:
    return HOME[0] + y_m / NORTH_M, HOME[1] + x_m / EAST_M


def straight(length_m: float, step_m: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Eastward."""
    x_m = np.linspace(0.0, length_m, round(length_m / step_m) + 1)
    return x_m, np.zeros(len(x_m))


def ring(turns: float, radius_m: float = 1000.0, step_m: float = 20.0) -> tuple[np.ndarray, ...]:
    """A circle from its southern point, which is the origin, eastward first."""
    count = max(2, round(turns * 2 * np.pi * radius_m / step_m))
    angle = np.linspace(0.0, turns * 2 * np.pi, count + 1)
    return radius_m * np.sin(angle), radius_m * (1.0 - np.cos(angle))


def lap_stage(turns: float, way_in_m: float = 5000.0) -> tuple[np.ndarray, np.ndarray]:
    """A way in from the west to the ring's southern point, then the ring."""
    x_m, y_m = straight(way_in_m)
    ring_x, ring_y = ring(turns)
    return np.concatenate([x_m - way_in_m, ring_x[1:]]), np.concatenate([y_m, ring_y[1:]])
