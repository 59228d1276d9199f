"""Writes transponders as files, one image each, for a bench or for esptool by hand.

`<serial>.bin` goes to 0x9000 of a chip; it is as secret as the chip, and `hardware bikes --nvs`
rides with it.
"""

from collections.abc import Callable
from pathlib import Path

from hardware import flash_ledger, keys
from hardware.clock import Clock
from hardware.crew import Crew, Member
from hardware.errors import Damaged, Misconfigured, Refused, TruckError
from hardware.nvs import TransponderConfig
from hardware.partitions import A, active, region_of
from hardware.transponders import Flashed, State, Workshop

_PROVEN = "file read back, every byte the same, and parsed to the same keys"


def image_path(folder: Path, serial: str) -> Path:
    """Where the image of a transponder stands in a folder of them."""
    return folder / f"{serial}.bin"


def read_image(path: Path) -> TransponderConfig:
    """The configuration in an image file.

    Raises:
        Misconfigured: it cannot be read.
        Refused: it is no transponder's image, or it was changed.
    """
    return active(keys.read_file(path, "transponder's image"))[1]


def flash_images(
    event: Path,
    crew: Crew,
    folder: Path,
    *,
    by: str,
    clock: Clock,
    resume: bool,
    told: Callable[[Flashed], None],
) -> list[Flashed]:
    """Write an image of every transponder on the sheet; enrol those that are proven.

    An image is replaced as a whole, so that it is the old one or the new one. Arguments and errors
    as of `flash_serial.flash_ports`, with a folder for the ports.
    """
    workshop = Workshop(event, crew.transponders)
    if not resume:
        workshop.ask([member.serial for member in crew.transponders], clock.now_s())
    results: list[Flashed] = []
    for member in crew.transponders:
        path = image_path(folder, member.serial)
        try:
            if resume and workshop.is_proven(member, _found(path)):
                done = Flashed(member, str(path), State.KEPT, "proven already, left as it is")
            else:
                done = _flash(workshop, member, path, by, clock.now_s())
        except TruckError as error:
            done = Flashed(member, str(path), State.FAILED, str(error))
        results.append(done)
        told(done)
    workshop.enrol([r.member for r in results if r.state is not State.FAILED], clock.now_s())
    return results


def _flash(workshop: Workshop, member: Member, path: Path, by: str, now_s: float) -> Flashed:
    made = workshop.make(member, now_s, A)
    region = region_of(made.image)
    keys.write_file(path, region)
    back = keys.read_file(path, "transponder's image")
    if back != region or active(back) != (A, made.config):
        raise Damaged(f"{path}: what was read back is not what was written; try another disk")
    entry = made.record.entry(member, str(path), by, now_s, _PROVEN)
    flash_ledger.append(workshop.event, [entry])
    workshop.keep(made.record)
    return Flashed(member, str(path), State.PROVEN, f"device {made.config.device}, read back")


def _found(path: Path) -> TransponderConfig | None:
    try:
        return read_image(path)
    except (Misconfigured, Refused):
        return None
