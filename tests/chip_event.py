"""An event with a crew sheet, for tests that flash transponders."""

from pathlib import Path

from hardware.authority import create_event, newest_roster
from hardware.clock import Clock
from hardware.crew import Crew, read_crew
from hardware.roster import Roster
from hardware.transponders import Flashed

CLOCK = Clock()


def make_event(folder: Path, transponders: int) -> tuple[Path, Crew]:
    """An event without riders, and a sheet of transponders T-001 to T-<n>; the last is a spare."""
    create_event(folder, event="race", now_s=CLOCK.now_s(), bibs=[], relays=["moto-1"])
    return folder, crew_of(transponders)


def crew_of(transponders: int, name: str = "Rider") -> Crew:
    rows = [f"transponder,{name} {n},T-{n:03},{n},{n % 20 + 1}" for n in range(1, transponders)]
    rows.append(f"spare,Spare bike,T-{transponders:03},,9")
    return read_crew("crew.csv", ("role,name,serial,bib,channel\n" + "\n".join(rows)).encode())


def roster_of(event: Path) -> Roster:
    return newest_roster(event)[1]


def ignore(_: Flashed) -> None:
    """Nobody watches the progress."""
