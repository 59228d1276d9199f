"""The command `relay first-boot`: from a card to a relay that may run."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from hardware import clock, home, keys
from hardware.errors import Misconfigured, NotInitialised, TruckError, Unavailable
from hardware.seed_folder import read_seed_folder
from relay.config import RelayIdentity
from relay.desk import Reply, ask_desk
from relay.first_boot import Candidate, stand
from relay.home import RelayHome

app = typer.Typer()
_AGAIN_S = 2.0
_CLOCK_OFF_S = 86400.0


@app.command("first-boot")
def first_boot(
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="The relay's own folder.")],
    seed: Annotated[Path, typer.Option(help="Where the card's files are mounted.")],
    answer: Annotated[
        Path | None, typer.Option(help="The desk's answer, where it came on a stick.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="How long to ask a desk that does not answer.")
    ] = 0.0,
) -> None:
    """Make this node's keys, enrol with the card's token, and make HOME a relay's home.

    May be run at each boot: what is done is passed over, and a kill at any moment leaves the old
    relay or the new one. Without a network it leaves a request to carry to the desk by stick;
    `hardware enroll file` answers it, and --answer goes on.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot make {folder}: {error.strerror}", "Choose another.") from error
    held = home.take_lock(folder / "first-boot.lock", f"another first boot runs in {folder}")
    try:
        _enrol(folder, seed, answer, seconds)
    finally:
        home.release_lock(held)


def _enrol(folder: Path, seed: Path, answer: Path | None, seconds: float) -> None:
    if not seed.is_dir() or not any(seed.iterdir()):
        config = RelayHome(folder).config
        if not config.exists():
            raise NotInitialised(
                f"there is no card in {seed}, and {folder} is no relay's home yet",
                "Put the card in, or give --seed the folder where it is mounted.",
            )
        identity = home.load_settings(RelayIdentity, config, {})
        _say(f"there is no card in {seed}; {folder} is the home of {identity.name!r} and stays it")
        return
    candidate = stand(folder, read_seed_folder(seed))
    name = candidate.seed.name
    if candidate.is_settled():
        _say(f"{name} is enrolled already; nothing to do")
        return
    now = clock.from_environment()
    kept = candidate.answer()
    if kept is not None:
        envelope, told_s = (candidate.folder / "answer.json").read_bytes(), None
    elif answer is not None:
        envelope = keys.read_file(answer, "answer")
        told_s = candidate.prove(envelope).issued_at_s
    else:
        envelope, told_s = _asked(candidate, seconds)
    candidate.settle(envelope)
    _say(f"{name} is enrolled in {candidate.seed.event}: relay run {folder}")
    if told_s is not None and abs(now.now_s() - told_s) > _CLOCK_OFF_S:
        _say(
            f"this node's clock is wrong by {abs(now.now_s() - told_s) / 86400:.0f} days: it says "
            f"{_day(now.now_s())} where the desk says {_day(told_s)}. Set it, or wait for GNSS: "
            "until then no broker takes its certificate"
        )


def _asked(candidate: Candidate, seconds: float) -> Reply:
    """The desk's answer; where there is none, the request is left for a stick."""
    stick = (
        f"Or carry {candidate.request_file} to the desk (`hardware enroll file`) and come back "
        "with --answer"
    )
    address = candidate.node.enrol
    until_s = clock.monotonic_s() + seconds
    if address is None:
        keys.write_file(candidate.request_file, candidate.request, 0o644)
        raise Misconfigured("the card names no enrolment desk", f"{stick}.")
    while True:
        try:
            return ask_desk(address, candidate.seed.ca_certificate.decode(), candidate.request)
        except Unavailable as error:
            if clock.monotonic_s() >= until_s:
                keys.write_file(candidate.request_file, candidate.request, 0o644)
                raise Unavailable(f"{error}. Run it again. {stick}") from error
            clock.sleep_s(_AGAIN_S)
        except TruckError:
            candidate.request_file.unlink(missing_ok=True)
            raise


def _day(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%d")


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
