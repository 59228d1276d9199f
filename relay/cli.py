"""The command `relay`: init, run, status, heard."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from hardware import home
from hardware.errors import Exit, Misconfigured, TruckError
from hardware.keys import Credentials
from relay import config_cli, doctor_cli, first_boot_cli
from relay.config import RelayConfig
from relay.home import RelayHome
from relay.spool import read_heard
from relay.start import run_relay

HEARD_SCHEMA = "relay.heard/1"
_STALE_S = 5.0
_SPOOL_FULL = 0.8

app = typer.Typer(
    name="relay",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The moving node: hears packets by radio, keeps custody, hands them to the truck.",
    epilog="Begin with `relay init`, then `relay run`; `relay status` says whether all is well.",
)

app.add_typer(config_cli.app, name="config")
app.add_typer(first_boot_cli.app)
app.add_typer(doctor_cli.app)

HomeArgument = Annotated[
    Path, typer.Argument(metavar="HOME", help="The relay's own folder: settings, spool.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
BrokerOption = Annotated[str, typer.Option(metavar="HOST:PORT", help="The truck's MQTT broker.")]
RadioOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where packets come in, UDP; port 0 picks one.")
]


@app.command()
def init(
    folder: HomeArgument,
    credentials: Annotated[
        Path, typer.Option(help="The folder the event's authority made for this relay.")
    ],
    broker: BrokerOption,
    radio: RadioOption = "127.0.0.1:9100",
    name: Annotated[
        str, typer.Option(help="The relay's name; left out, that of the credentials folder.")
    ] = "",
    broker_tls: Annotated[
        bool,
        typer.Option(
            "--broker-tls/--no-broker-tls",
            help="TLS with certificates both ways. Off only for a broker on this machine.",
        ),
    ] = True,
) -> None:
    """Make a relay's home. Running it again changes the settings and keeps the spool."""
    issued = credentials.absolute()
    Credentials(issued).roster()
    fields = {"name": name or issued.name, "credentials": issued, "broker_tls": broker_tls}
    fields |= _address("broker", broker) | _address("radio", radio)
    config = home.save_settings(RelayConfig, RelayHome(folder).config, fields)
    typer.echo(f"relay {config.name!r} is ready: relay run {folder}", err=True)


@app.command()
def run(
    folder: HomeArgument,
    broker: BrokerOption = "",
    radio: RadioOption = "",
) -> None:
    """Run until SIGTERM.

    Flags go over RELAY_* variables, those over the signed configuration in its slot, and that over
    HOME/relay.toml.
    """
    flags = _address("broker", broker) | _address("radio", radio)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    run_relay(RelayHome(folder), flags)


@app.command()
def status(folder: HomeArgument, as_json: JsonOption = False) -> None:
    """Say how the relay is. Exits 1 when it is not well, and says why on stderr."""
    home.check(RelayHome(folder).config)
    found = home.read_status(folder, "relay")
    complaints = _complaints(found, home.status_age_s(folder))
    if as_json:
        typer.echo(json.dumps(found | {"healthy": not complaints, "complaints": complaints}))
    else:
        typer.echo(_summary(found))
    for complaint in complaints:
        typer.echo(f"unhealthy: {complaint}", err=True)
    if complaints:
        raise typer.Exit(Exit.FAILED)


@app.command()
def heard(folder: HomeArgument, as_json: JsonOption = False) -> None:
    """List every packet heard and spooled, as ranges of seq by device key and boot."""
    home.check(RelayHome(folder).config)
    found = read_heard(folder)
    rows = [{"kid": kid, "boot": boot, "ranges": runs} for (kid, boot), runs in found.items()]
    if as_json:
        packets = sum(high - low + 1 for runs in found.values() for low, high in runs)
        typer.echo(json.dumps({"schema": HEARD_SCHEMA, "packets": packets, "heard": rows}))
        return
    typer.echo("kid\tboot\tseq")
    for (kid, boot), runs in found.items():
        spans = ",".join(f"{low}-{high}" if high > low else str(low) for low, high in runs)
        typer.echo(f"{kid:#x}\t{boot}\t{spans}")


def _address(what: str, text: str) -> dict[str, Any]:
    """HOST:PORT as settings; nothing where it was left out."""
    if not text:
        return {}
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise Misconfigured(f"--{what} {text!r} is no HOST:PORT", "Write it like 127.0.0.1:8883.")
    return {f"{what}_host": host.strip("[]"), f"{what}_port": int(port)}


def _complaints(found: dict[str, Any], age_s: float) -> list[str]:
    """Why the relay is not well; empty when it is."""
    complaints = []
    if age_s > _STALE_S:
        complaints.append(f"the status is {age_s:.0f} s old: the relay is not running")
    elif found.get("state") == "stopped":
        complaints.append("the relay was stopped")
    elif not found.get("connected"):
        complaints.append("not connected to the truck's broker")
    spool = found.get("spool", {})
    if spool.get("bytes", 0) > _SPOOL_FULL * spool.get("bytes_max", 1):
        complaints.append(f"the spool is {100 * spool['bytes'] / spool['bytes_max']:.0f} % full")
    complaints += [f"{about}: {error}" for about, error in found.get("errors", {}).items()]
    return complaints


def _summary(found: dict[str, Any]) -> str:
    radio, spool, uplink = found["heard"], found["spool"], found["uplink"]
    refused = ", ".join(f"{reason} {n}" for reason, n in sorted(radio["refused"].items()))
    link = "connected" if found["connected"] else "not connected"
    lines = [
        "relay {name}: {state}, " + link,
        "heard    {packets} packets, {doubled} doubled, {overflowed} overflowed, refused: "
        + (refused or "none"),
        "spool    {bundles} bundles, {bytes} of {bytes_max} bytes, {dropped} dropped",
        "uplink   {live_sent} live, {backfill_sent} back-fill, {acked} committed, {resent} again",
        "roster   version {roster_version}",
        "config   " + _running(found["configuration"]),
    ]
    return "\n".join(lines).format_map(found | radio | spool | uplink)


def _running(configuration: dict[str, Any]) -> str:
    failed = "".join(
        f"\n         version {row['version']} failed: {row['why']}"
        for row in configuration["failed"]
    )
    if configuration["slot"] is None:
        return f"settings file, no signed configuration{failed}"
    running = "version {version} in slot {slot}, {state}, {digest:.12}".format_map(configuration)
    return running + failed


def main() -> None:
    """Run the command; a known error is one sentence and its exit code."""
    try:
        app()
    except TruckError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
