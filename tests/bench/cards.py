"""The crew's evening: 60 relays and 200 transponders from one sheet, planned, flashed and proven.

By the commands themselves, their start included: `hardware plan`, `flash --image`, `verify`. Every
byte is written durably, read back and compared, and each device has its line in the ledger.
"""

import tempfile
from pathlib import Path

from evening import spend

RELAYS, TRANSPONDERS = 60, 200
_AIM_S = 60.0
Row = tuple[str, float, str, str, float]


def measure() -> list[Row]:
    """Seconds of the whole evening beside its aim, and of each command in it."""
    with tempfile.TemporaryDirectory(prefix="truck-cards-") as folder:
        evening = spend(Path(folder), RELAYS, TRANSPONDERS)
    what = f"{RELAYS} relays and {TRANSPONDERS} transponders"
    whole = evening.seconds
    return [
        (f"{what}: planned, flashed, proven", whole, "s", f"aim {_AIM_S:.0f} s", whole / _AIM_S),
        (f"{what}: flashed", evening.flash_s, "s", "of that", evening.flash_s / whole),
        (f"{what}: verified", evening.verify_s, "s", "of that", evening.verify_s / whole),
    ]


if __name__ == "__main__":
    for name, value, unit, baseline, _ in measure():
        print(f"{name}: {value:.1f} {unit} ({baseline})")  # noqa: T201
