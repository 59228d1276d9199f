"""The crew's evening as commands: `hardware plan`, `flash` and `verify`."""

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hardware import clock
from hardware.authority import check_event
from hardware.chip_proof import ChipWitness, is_transponder, prove_transponder
from hardware.crew import Crew, FaultySheet, read_crew
from hardware.errors import Exit, Misconfigured, Unsafe
from hardware.flash import flash_relays, is_one_file, proven_relays
from hardware.flash_images import flash_images
from hardware.flash_serial import flash_ports
from hardware.flash_summary import Board, summary
from hardware.fleet import Plan, enrolment_address, plan_fleet, sign_fleet, truck_address
from hardware.proof import Proof, Verdict, Witness, prove
from hardware.targets import Card, Mount, Target, target_at
from hardware.transponders import Flashed, State

PLAN_SCHEMA = "hardware.plan/1"
FLASH_SCHEMA = "hardware.flash/1"
VERIFY_SCHEMA = "hardware.verify/1"
_PANEL = "The crew's evening"

app = typer.Typer()

Sheet = Annotated[Path, typer.Argument(metavar="CREW.CSV", help="The crew's sheet.")]
Event = Annotated[
    Path, typer.Option(help="The event's folder.", envvar="HARDWARE_EVENT", show_default=False)
]
MaybeEvent = Annotated[
    Path | None, typer.Option("--event", help="The event's folder.", envvar="HARDWARE_EVENT")
]
Truck = Annotated[
    str,
    typer.Option(
        metavar="HOST[:PORT]",
        help="Where relays reach the truck; left out, the first host its certificate names.",
    ),
]
Enrol = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where relays enrol, if they can reach it.")
]
Only = Annotated[
    list[str] | None, typer.Option(help="This relay alone, by name or serial; repeat for more.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command(rich_help_panel=_PANEL)
def plan(
    sheet: Sheet,
    event: MaybeEvent = None,
    truck: Truck = "",
    enrol: Enrol = "",
    as_json: Json = False,
) -> None:
    """Check the crew's sheet and show what will be made. Nothing is written.

    Every fault is named at once, with its line and its cure. With --event the table says which
    relay gets a new configuration and which is proven already.
    """
    try:
        crew = _crew(sheet)
    except FaultySheet as faulty:
        if as_json:
            faults = [asdict(fault) for fault in faulty.faults]
            _print_json({"schema": PLAN_SCHEMA, "faults": faults, "devices": []})
        raise
    plans: list[Plan] = []
    proven: set[str] = set()
    if event is not None:
        plans = plan_fleet(event, crew, truck_address(event, truck), enrolment_address(enrol))
        proven = set(proven_relays(event, plans, clock.from_environment().now_s()))
    told = {p.member.name: p for p in plans}
    rows = [
        {
            "role": member.role.value,
            "name": member.name,
            "serial": member.serial,
            "bib": member.bib,
            "channel": member.channel,
            "profile": member.profile.value if member.role == "relay" else None,
            "makes": f"{member.name}.img" if member.role == "relay" else f"{member.serial}.bin",
            "config_version": told[member.name].node.version if member.name in told else None,
            "state": _state(told.get(member.name), member.name in proven),
        }
        for member in crew.members
    ]
    if as_json:
        _print_json({"schema": PLAN_SCHEMA, "faults": [], "devices": rows})
        return
    table = Table("role", "name", "serial", "bib", "channel", "profile", "makes", "config", "state")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # nobody's window: nothing is cut off
    console.print(table)
    relays = len(crew.relays)
    typer.echo(f"{relays} relays, {len(crew.transponders)} transponders: no fault", err=True)


@app.command(rich_help_panel=_PANEL)
def flash(
    sheet: Sheet,
    event: Event,
    card: Annotated[
        list[Path] | None, typer.Option(help="A card in a reader, /dev/...; repeat for more.")
    ] = None,
    mount: Annotated[
        list[Path] | None, typer.Option(help="A folder where a card is mounted; repeat for more.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A folder for an image of every device; or FILE.img.")
    ] = None,
    serial: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT[=SERIAL]", help="A transponder on its cable; repeat for more."),
    ] = None,
    only: Only = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only what is not proven yet; leave the rest.")
    ] = False,
    yes_i_mean: Annotated[
        list[str] | None,
        typer.Option(metavar="/dev/...", help="Write on this disk though it is a fixed one."),
    ] = None,
    truck: Truck = "",
    enrol: Enrol = "",
    by: Annotated[str, typer.Option(help="Who flashes.", envvar="HARDWARE_BY")] = "",
    as_json: Json = False,
) -> None:
    """Write relays' cards and transponders, read every byte back, and enter them in the ledger.

    A card that carries a relay of the sheet becomes that relay again; any other the next one that
    is not proven. Ends with 3 if a device failed: mend it, then --resume. Ends with 5, and
    touches nothing, if a disk is none to write on.
    """
    if not (card or mount or image or serial) or (image and (card or mount or serial)):
        raise Misconfigured(
            "it is not clear what to flash", "Give --card, --mount, --serial or --image."
        )
    crew = _crew(sheet)
    check_event(event)
    now, who = clock.from_environment(), by or _login()
    targets: list[Target] = [_card(path, yes_i_mean or []) for path in card or []]
    targets += [Mount(folder) for folder in mount or []]
    _look(targets)
    plans: list[Plan] = []
    results: list[Flashed] = []
    with Board(Console(stderr=True)) as board:
        if serial:
            ports = dict(map(_port, serial))
            if len(ports) < len(serial):
                raise Misconfigured("a port is named twice", "Name each port once.")
            board.expect(len(ports))
            results += flash_ports(
                event, crew, ports, by=who, clock=now, resume=resume, told=board.told
            )
        if image and crew.transponders and not only and not is_one_file(image):
            board.expect(len(crew.transponders))
            results += flash_images(
                event, crew, image, by=who, clock=now, resume=resume, told=board.told
            )
        if crew.relays and (image or targets):  # last: the cards carry the roster of all others
            enrol_at = enrolment_address(enrol)
            plans = sign_fleet(
                event, plan_fleet(event, crew, truck_address(event, truck), enrol_at)
            )
            results += flash_relays(
                event, plans, targets, image,
                only=only or [], resume=resume, by=who, clock=now, watch=board,
            )  # fmt: skip
    proven = proven_relays(event, plans, now.now_s())
    _report(results, [p.member.name for p in plans if p.member.name not in proven], as_json)


@app.command(rich_help_panel=_PANEL)
def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="CARD|MOUNT|IMAGE|PORT...", help="What to look into.")
    ],
    event: MaybeEvent = None,
    as_json: Json = False,
) -> None:
    """Prove a card or a transponder later: whose it is, and whether every byte is as flashed.

    Nothing is written. Ends with 0 if all are proven, 65 if one is damaged, else with 1.
    """
    witness = None if event is None else Witness(event)
    chips = None if event is None else ChipWitness(event)
    proofs = [
        prove_transponder(path, chips) if is_transponder(path) else prove(target_at(path), witness)
        for path in paths
    ]
    if as_json:
        _print_json({"schema": VERIFY_SCHEMA, "cards": [asdict(proof) for proof in proofs]})
    else:
        for proof in proofs:
            Console().print(_line(proof), soft_wrap=True)
    verdicts = {proof.verdict for proof in proofs}
    if Verdict.DAMAGED in verdicts:
        raise typer.Exit(Exit.DAMAGED)
    if verdicts != {Verdict.PROVEN}:
        raise typer.Exit(Exit.FAILED)


def _crew(sheet: Path) -> Crew:
    try:
        data = sheet.read_bytes()
    except OSError as error:
        what = f"cannot read the crew's sheet {sheet}: {error.strerror}"
        raise Misconfigured(what, "Name the file that was saved as CSV.") from error
    return read_crew(sheet.name, data)


def _card(path: Path, meant: list[str]) -> Card:
    return Card(path, str(path) if str(path) in meant else None)


def _look(targets: list[Target]) -> None:
    """All of them before any is written: one that is unsafe stops everything, others fail alone."""
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(f"{name} is named twice", "Name each card once.")
    for target in targets:
        try:
            target.look()
        except Unsafe:
            raise
        except Misconfigured:
            continue  # gone or locked: it says so again when its turn comes


def _port(text: str) -> tuple[str, str | None]:
    port, _, serial = text.partition("=")
    return port, serial or None


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise Misconfigured("this login has no name", "Say who flashes with --by.") from error


def _state(made: Plan | None, proven: bool) -> str | None:
    if made is None:
        return None
    if proven:
        return "proven"
    return "new configuration" if made.envelope is None else "to be flashed"


def _report(results: list[Flashed], left: list[str], as_json: bool) -> None:
    failed = sum(1 for result in results if result.state is State.FAILED)
    if as_json:
        devices = [
            {
                "role": result.member.role.value,
                "name": result.member.name,
                "serial": result.member.serial,
                "target": result.target,
                "state": result.state.value,
                "said": result.said,
            }
            for result in results
        ]
        _print_json({"schema": FLASH_SCHEMA, "devices": devices, "failed": failed, "left": left})
    Console(stderr=True).print(summary(results, left))
    if failed:
        raise typer.Exit(Exit.PARTIAL)


def _line(proof: Proof) -> Text:
    good = proof.verdict is Verdict.PROVEN
    line = Text(f"{proof.verdict.upper():<8}", "bold green" if good else "bold red")
    who = ""
    if proof.name is not None:
        who = f"{proof.name} ({proof.serial}) of {proof.event}, configuration "
        who += f"{proof.config_version} {str(proof.config_sha256)[:8]}: "
    return line.append(f" {proof.target}  {who}{proof.said}", "default")


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, separators=(",", ":")))
