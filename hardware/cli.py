"""The `hardware` command: events, rosters, packets, stages, and virtual bikes."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from hardware import (
    clock,
    enroll_cli,
    event_cli,
    flash_cli,
    keys,
    label_cli,
    ledger_cli,
    node_cli,
    packet,
    roster_cli,
    sealing,
    signing,
)
from hardware.errors import Misconfigured, Reason, Refused, TruckError
from hardware.rides import Ride, bibs_of, read_rides
from hardware.roster_cli import AuthorityKey, read_roster
from hardware.virtual import bikes as road
from hardware.virtual import cli as simulator
from hardware.virtual import flashed
from hardware.virtual import stage as stages
from hardware.virtual.course import Course, course_from_gpx, loop_course
from hardware.virtual.peloton import Peloton
from hardware.virtual.playback import Playback
from hardware.virtual.radio import Dark, Radio
from hardware.virtual.transponder import Transponder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="What is born on the device: keys, rosters, packets, and bikes that need no road.",
)
app.add_typer(event_cli.app, name="event")
app.add_typer(roster_cli.app, name="roster")
app.add_typer(ledger_cli.app, name="ledger")
app.add_typer(label_cli.app)
app.add_typer(enroll_cli.app, name="enroll")
app.add_typer(node_cli.app, name="config")
app.add_typer(flash_cli.app)
app.add_typer(simulator.app)

RideFiles = Annotated[
    list[Path] | None,
    typer.Option("--ride", help="Recorded ride: .fit .gpx .tcx .csv or .gz; repeat for more."),
]
Seed = Annotated[int, typer.Option(help="Makes the same course, riders and radio again.")]
Riders = Annotated[int | None, typer.Option(min=1, help="How many virtual riders.")]


@app.command("packet")
def explain_packet(
    file: Annotated[Path, typer.Argument(help="One packet, as bytes or as hex digits.")],
    roster_file: Annotated[Path, typer.Option("--roster", help="The event's roster.json.")],
    authority: AuthorityKey,
    event_key: Annotated[Path | None, typer.Option(help="event.key, to open sealed ones.")] = None,
) -> None:
    """Explain a packet field by field; what is sealed stays so without --event-key."""
    roster = read_roster(roster_file, authority)
    raw = keys.read_file(file, "packet")
    with contextlib.suppress(ValueError):  # no hex digits: then it is the packet itself
        raw = bytes.fromhex(raw.decode("ascii"))
    header = packet.read_header(raw)
    key = roster.device_key(header.kid)
    table = Table("field", "value", title=f"{file}, {len(raw)} bytes")
    signed = signing.is_signed(raw[:-64], raw[-64:], key.sign_public, roster.event_id)
    measured_s = roster.epoch_s + header.t0 * packet.TICK_S
    sealed = header.suite == packet.SUITE_CCM8
    rows: dict[str, object] = {
        "suite": f"0x{header.suite:02x} {'AES-CCM-8' if sealed else 'clear'}",
        "fixes": header.n,
        "boot": header.boot,
        "device": header.device,
        "key generation": header.generation,
        "bib": roster.bib_of(header.device, measured_s),
        "seq": header.seq,
        "measured at": f"{measured_s:.2f}",
        "signature": "valid" if signed else "NOT VALID",
    }
    cipher = None
    if sealed and event_key is not None:
        secret = keys.read_key(event_key, "event key")
        cipher = sealing.packet_cipher(secret, key.box_public, roster.event_id, header.kid)
    if not sealed or cipher is not None:
        fixes = packet.decode_fixes([sealing.open_body(raw, cipher)])
        for name, column in packet.to_si(fixes).items():
            rows[name] = ", ".join(f"{value:.10g}" for value in column)
        rows["values"] = "NOT POSSIBLE" if packet.bad_values(fixes).any() else "possible"
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)
    if not signed:
        raise Refused(Reason.SIGNATURE, f"{file} is not signed by device {header.device}")


@app.command("stage")
def stage(
    folder: Annotated[Path, typer.Argument(help="An empty folder for the stage.")],
    ride: RideFiles = None,
    seed: Seed = 1,
    riders: Riders = None,
) -> None:
    """Write a stage folder: for recorded rides, or for the virtual course of a seed."""
    if ride:
        stages.write_stage_from_rides(folder, _rides(ride))
    else:
        course = loop_course(seed)
        stages.write_stage(
            folder,
            course,
            stages.virtual_starters(range(1, (riders or 198) + 1)),
            name=f"Virtual loop {seed}",
            start_at_s=clock.from_environment().now_s(),
            checkpoints=stages.checkpoints_of(course),
        )
    typer.echo(str(folder))


@app.command("bikes")
def bikes(
    relay: Annotated[list[str], typer.Option(help="HOST:PORT of a relay's radio; repeat.")],
    event: Annotated[
        Path | None, typer.Argument(help="The event folder of `hardware event new`.")
    ] = None,
    nvs: Annotated[
        Path | None, typer.Option(help="Ride with the images that `hardware flash` made here.")
    ] = None,
    stage_folder: Annotated[
        Path | None, typer.Option("--stage", help="Ride the route.gpx of this stage folder.")
    ] = None,
    ride: RideFiles = None,
    riders: Riders = None,
    seed: Seed = 1,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after this long.")] = None,
    start_s: Annotated[float, typer.Option(min=0, help="Begin so far into the rides.")] = 0.0,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Share lost on each link.")] = 0.0,
    double: Annotated[float, typer.Option(min=0, max=1, help="Share heard twice.")] = 0.0,
    reorder: Annotated[float, typer.Option(min=0, max=1, help="Share a second late.")] = 0.0,
    dark: Annotated[
        list[str] | None, typer.Option(help="RELAY:FROM-TO: relay (from 1) deaf, in seconds.")
    ] = None,
    clear: Annotated[bool, typer.Option(help="Send suite 0x11, signed but not sealed.")] = False,
    summary: Annotated[Path | None, typer.Option(help="Keep counts here (JSON).")] = None,
) -> None:
    """Ride: virtual bikes at 1 Hz, or recorded rides, sent to relays as UDP datagrams."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    now = clock.from_environment()
    addresses = [_address(text) for text in relay]
    suite = packet.SUITE_CLEAR if clear else packet.SUITE_CCM8
    fleet = _flashed(nvs, suite) if nvs else _made(event, now.now_s(), suite)
    source: Peloton | Playback
    if ride:
        source = Playback(_rides(ride), start_s)
        numbers = bibs_of(source.names)
        bibs = [numbers[name] for name in source.names]
    else:
        bibs = fleet.bibs
        if riders is not None and riders > len(bibs):
            raise Misconfigured(f"the event has {len(bibs)} riders", "Ask for fewer --riders.")
        bibs = bibs[:riders]
        source = Peloton(_course(stage_folder, seed), len(bibs), seed)
    transponders = fleet.start(bibs)
    radio = Radio(len(addresses), seed, loss, double, reorder, dark=tuple(map(_dark, dark or ())))
    _say(f"{len(bibs)} bikes on the road, {len(addresses)} relays in reach; Ctrl-C stops them")
    road.Bikes(source, transponders, bibs, radio, addresses, now).ride(seconds, stop, summary)


class _Fleet(NamedTuple):
    """Whose transponders there are, and how some of them are started."""

    bibs: list[int]
    start: Callable[[list[int]], list[Transponder]]


def _flashed(folder: Path, suite: int) -> _Fleet:
    configs = flashed.read_images(folder)
    return _Fleet(
        list(configs),
        lambda bibs: flashed.flashed_transponders(folder, configs, bibs, suite),
    )


def _made(event: Path | None, now_s: float, suite: int) -> _Fleet:
    if event is None:
        raise Misconfigured("no transponders are named", "Give an EVENT folder, or --nvs DIR.")
    home = keys.Credentials(event / "bikes")
    roster = home.roster()
    return _Fleet(
        list(road.devices_of(roster, now_s)),
        lambda bibs: road.transponders_of(home.folder, roster, bibs, now_s, suite),
    )


def _course(folder: Path | None, seed: int) -> Course:
    return loop_course(seed) if folder is None else course_from_gpx(folder / "route.gpx")


def _rides(files: list[Path]) -> dict[str, Ride]:
    rides: dict[str, Ride] = {}
    for file in files:
        for name, ride in read_rides(file).items():
            if name in rides:
                raise Misconfigured(f"rider {name} is in two files", f"Leave out {file}.")
            rides[name] = ride
            if ride.dropped:
                _say(f"{file}: {ride.dropped} readings of {name} without time or position left out")
    return rides


def _address(text: str) -> road.Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Misconfigured(f"--relay {text} is no address", "Give HOST:PORT.")
    return host.strip("[]"), int(port)


def _dark(text: str) -> Dark:
    relay, _, window = text.partition(":")
    from_s, _, to_s = window.partition("-")
    try:
        return Dark(float(from_s), float(to_s), relay=int(relay) - 1)
    except ValueError as error:
        raise Misconfigured(f"--dark {text} is no window", "Give RELAY:FROM-TO.") from error


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


def main() -> None:
    """Run the command; an error is one sentence on stderr and the exit code of its kind."""
    try:
        app()
    except TruckError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
