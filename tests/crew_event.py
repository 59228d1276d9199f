"""An event with nothing but a truck, and a crew's sheet of any size, as files."""

from pathlib import Path

from hardware.authority import create_event

HEAD = "role,name,serial,bib,channel,profile,forward_to,address,radio\n"
EVENT = "tour-2027"


def make_event(folder: Path, now_s: float = 1.8e9) -> Path:
    """An event's folder, as `hardware event new` makes it before anybody has enrolled."""
    hosts = ("localhost", "127.0.0.1", "truck.example")
    create_event(folder, event=EVENT, now_s=now_s, bibs=[], relays=[], truck_hosts=hosts)
    return folder


def sheet(relays: int, transponders: int = 0) -> str:
    """A sheet of relays moto-1, moto-2, ... and of transponders T-001, T-002, ..."""
    lines = [f"relay,moto-{k},R-{k:03d},,{k + 10},,,,\n" for k in range(1, relays + 1)]
    lines += [f"transponder,Rider {k},T-{k:03d},{k},1,,,,\n" for k in range(1, transponders + 1)]
    return HEAD + "".join(lines)
