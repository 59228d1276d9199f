"""The crew's evening before a demo: from one sheet to relays and bikes that know their images only.

    EVENT          made anew for the sheet, with the truck alone in it
    flashed/       NAME.img of each relay, SERIAL.bin of each transponder, by `hardware flash`
    seeds/NAME     the files of that image, as the node would find them where its card is mounted

Nothing goes from the event folder to a relay or a bike but by its image: a relay makes its keys in
its first boot and is certified at the desk; a bike has the keys that its image holds. On the road a
node has a machine of its own, here a radio port of its own: `--radio` goes over its configuration,
and no serial line is opened and nothing handed on (`Cast`). All else is as its card says.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hardware import keys
from hardware.crew import Crew, Role, read_crew
from hardware.errors import Misconfigured
from hardware.fat import read_volume
from hardware.seed import FILES
from hardware.virtual.stage import Starter
from truck.broker import find_mosquitto
from truck.cast import Cast, free_ports

_DESK_S_MAX = 20.0
_BOOT_S_MAX = 30.0
_AT_ONCE = 4


def read_demo_crew(sheet: Path) -> Crew:
    """The sheet's crew, if a demo can be played with it.

    Raises:
        FaultySheet: every fault of the sheet.
        Misconfigured: no relay or no rider is on it, or mosquitto is not installed.
    """
    try:
        crew = read_crew(sheet.name, sheet.read_bytes())
    except OSError as error:
        what = f"cannot read the crew's sheet {sheet}: {error.strerror}"
        raise Misconfigured(what, "Name the file that was saved as CSV.") from error
    if not crew.relays or not starters_of(crew):
        raise Misconfigured(
            f"{sheet.name} has {len(crew.relays)} relays and {len(starters_of(crew))} riders",
            "A demo needs one of each.",
        )
    if find_mosquitto() is None:
        raise Misconfigured(
            "mosquitto is not installed, and flashed relays speak TLS only",
            "Install it: apt install mosquitto.",
        )
    return crew


def starters_of(crew: Crew) -> list[Starter]:
    """The riders of a sheet: the transponders that somebody wears."""
    return [
        Starter(member.bib, member.name, "")
        for member in crew.transponders
        if member.role is Role.TRANSPONDER and member.bib is not None
    ]


def spend_evening(cast: Cast, flashed: Path, sheet: Path, event: str) -> None:
    """Make the event, flash every image, and let each relay come into the event by its own.

    Args:
        cast: with the sheet's relays; its truck does not run yet.
        flashed: where the images go.
        sheet: a crew's sheet.
        event: the event's id.

    Raises:
        TruckError: with the sentence of the command that failed.
    """
    (desk_port,) = free_ports(1, socket.SOCK_STREAM)
    cast.call("hardware", "event", "new", str(cast.event), "--event", event)
    cast.call(
        "hardware", "flash", str(sheet), "--event", str(cast.event), "--image", str(flashed),
        "--truck", f"127.0.0.1:{cast.broker_port}", "--enrol", f"127.0.0.1:{desk_port}",
        "--by", "demo",
    )  # fmt: skip
    cast.start_desk(desk_port)
    try:
        cast.wait_for("the enrolment desk", lambda: cast.is_open(desk_port), _DESK_S_MAX)
        with ThreadPoolExecutor(_AT_ONCE) as side_by_side:
            list(side_by_side.map(lambda name: _first_boot(cast, flashed, name), cast.relays))
        cast.wait_for("the desk's end", lambda: not cast.is_running("desk"), _DESK_S_MAX)
    finally:
        cast.end("desk")
    cast.check()


def _first_boot(cast: Cast, flashed: Path, name: str) -> None:
    seed = cast.folder / "seeds" / name
    for file, data in read_volume(flashed / f"{name}.img", FILES).items():
        keys.write_file(seed / file, data)
    cast.call(
        "relay", "first-boot", str(cast.relay_home(name)), "--seed", str(seed),
        "--seconds", f"{_BOOT_S_MAX:g}",
    )  # fmt: skip
