"""The doctor: what a crew can check of a relay, each with why it matters and what to try.

It reads what the running relay last said of itself, tries the disk and the broker by hand, and
changes nothing. Every check is made, whatever the others found.
"""

import contextlib
import shutil
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware import home, keys
from hardware.clock import Clock
from hardware.errors import Misconfigured, Refused, TruckError
from hardware.keys import Credentials
from relay.broker import Broker, tls_context
from relay.config import RelayConfig

STALE_S = 5.0
RADIO_S_MAX = 60.0
CLOCK_BEHIND_S_MAX, CLOCK_AHEAD_S_MAX = 1.0, 5.0
CERTIFICATE_DAYS_MIN = 2.0
SPOOL_SHARE_MAX = 0.8
DISK_BYTES_MIN = 64 << 20
_ASK_S = 5.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is well, what was seen, and what to try if not."""

    name: str
    why: str
    is_ok: bool
    seen: str
    cure: str = ""


def examine(folder: Path, config: RelayConfig, status: dict[str, Any], now: Clock) -> list[Check]:
    """All checks of the relay in `folder`.

    Args:
        folder: its home.
        config: the settings it runs by.
        status: what it last said, see `relay.status/1`; empty where it never ran.
        now: our clock.
    """
    age_s = home.status_age_s(folder) if status else float("inf")
    credentials = Credentials(config.credentials)
    steps: list[tuple[str, str, Callable[[], tuple[bool, str, str]]]] = [
        ("running", "a relay that is off hears nobody", lambda: _running(status, age_s, folder)),
        ("disk", "custody is what the disk has written", lambda: _disk(folder)),
        (
            "spool",
            "when it is full the oldest back-fill is given up",
            lambda: _spool(status, folder),
        ),
        (
            "clock",
            "the truck refuses what seems to come from the future, and certificates have dates",
            lambda: _clock(status),
        ),
        ("radio", "nothing heard is nothing carried", lambda: _radio(status)),
        (
            "certificate",
            "the broker lets in nobody whose certificate has ended",
            lambda: _certificate(credentials, now.now_s()),
        ),
        (
            "broker",
            "packets reach the truck through it",
            lambda: _broker(config, credentials),
        ),
        ("roster", "who is not in it is not carried", lambda: _roster(status, config, credentials)),
        (
            "configuration",
            "a configuration counts when the truck has seen it at work",
            lambda: _configuration(status),
        ),
    ]
    checks = []
    for name, why, step in steps:
        try:
            is_ok, seen, cure = step()
        except TruckError as error:
            hint = getattr(error, "hint", "")
            is_ok, seen, cure = False, str(error).removesuffix(hint).strip(), hint
        checks.append(Check(name, why, is_ok, seen, "" if is_ok else cure or "Try again."))
    return checks


def _running(status: dict[str, Any], age_s: float, folder: Path) -> tuple[bool, str, str]:
    start = f"Start it: `relay run {folder}`, or `systemctl restart relay`."
    if not status:
        return False, "no relay has run here yet", start
    if age_s > STALE_S or status.get("state") == "stopped":
        return False, f"it last said something {age_s:.0f} s ago", start
    return True, f"boot {status['boot']}, {status['state']}", ""


def _disk(folder: Path) -> tuple[bool, str, str]:
    trial = folder / ".doctor"
    try:
        keys.write_file(trial, b"a line that reached the disk\n")
        trial.unlink()
        free = shutil.disk_usage(folder).free
    except (Misconfigured, OSError) as error:
        return False, f"{folder} cannot be written: {error}", "Take another card, or free space."
    cure = "Free space, or take a larger card; what was heard stays until the truck has it."
    return free >= DISK_BYTES_MIN, f"written and synced; {free >> 20} MiB free", cure


def _spool(status: dict[str, Any], folder: Path) -> tuple[bool, str, str]:
    spool = status.get("spool")
    if not spool:
        return True, "empty: nothing was spooled yet", ""
    share = spool["bytes"] / spool["bytes_max"]
    room = shutil.disk_usage(folder).free + spool["bytes"]
    seen = f"{spool['bundles']} bundles, {100 * share:.0f} % of its {spool['bytes_max'] >> 20} MiB"
    if room < spool["bytes_max"]:
        seen += f"; the disk has room for only {room >> 20} MiB of them"
        return share < SPOOL_SHARE_MAX, seen, "Take a larger card, or drive where there is a link."
    well = share < SPOOL_SHARE_MAX and not spool["dropped"]
    if spool["dropped"]:
        seen += f"; {spool['dropped']} were given up"
    return well, seen, "Drive where there is a link: it empties by itself, newest first."


def _clock(status: dict[str, Any]) -> tuple[bool, str, str]:
    ahead_s = status.get("clock_ahead_s")
    if ahead_s is None:
        return True, "nothing to compare with: no packet was heard since the start", ""
    seen = f"{ahead_s:+.2f} s against the GNSS time in packets"
    well = -CLOCK_BEHIND_S_MAX <= ahead_s <= CLOCK_AHEAD_S_MAX
    return well, seen, "Set the clock: `timedatectl set-ntp true`, with a link; then restart."


def _radio(status: dict[str, Any]) -> tuple[bool, str, str]:
    heard_at_s, refused = status.get("heard_at_s", 0.0), status.get("heard", {}).get("refused", {})
    serial = status.get("serial")
    if serial and serial["error"]:
        cure = "Plug the radio in; look at `radio_serial` in the configuration if it is."
        return False, f"{serial['device']}: {serial['error']}", cure
    cure = "Look at the antenna and the channel. `unknown_key` means an old roster."
    counted = ", ".join(f"{reason} {n}" for reason, n in sorted(refused.items()))
    also = f"; refused: {counted}" if counted else ""
    if not heard_at_s:
        return False, f"no packet since the start{also}", cure
    age_s = status["at_s"] - heard_at_s
    return age_s <= RADIO_S_MAX, f"last packet {age_s:.0f} s ago{also}", cure


def _certificate(credentials: Credentials, now_s: float) -> tuple[bool, str, str]:
    days = (credentials.certificate_to_s() - now_s) / 86400
    cure = "Ask the event's authority for a new one: `hardware enroll`."
    return days >= CERTIFICATE_DAYS_MIN, f"{days:.1f} days left", cure


def _broker(config: RelayConfig, credentials: Credentials) -> tuple[bool, str, str]:
    """A handshake and no more: a second MQTT client of our name would throw the relay out."""
    broker = Broker(config.broker_host, config.broker_port, config.broker_tls)
    context = tls_context(credentials) if config.broker_tls else None
    try:
        with socket.create_connection((broker.host, broker.port), _ASK_S) as plain:
            if context is None:
                return True, f"{broker} answers, without TLS", ""
            with context.wrap_socket(plain, server_hostname=broker.host) as wire:
                wire.settimeout(0.5)  # TLS 1.3: its judgement of us comes after our side is done
                with contextlib.suppress(TimeoutError):
                    wire.recv(1)
                return True, f"{broker} shook hands, {wire.version()}", ""
    except ssl.SSLError as error:
        raise broker.unreachable(error) from error
    except OSError as error:
        cure = "Look at the link, the address and the truck; it is tried again every second."
        return False, str(broker.unreachable(error)), cure


def _roster(
    status: dict[str, Any], config: RelayConfig, credentials: Credentials
) -> tuple[bool, str, str]:
    roster = credentials.roster()
    try:
        roster.relay_key(config.name)
    except Refused as error:
        cure = "Tell the operator: this relay may not speak until a roster names it."
        return False, f"version {roster.version}: {error}", cure
    runs = status.get("roster_version")
    age_s = Clock().now_s() - (credentials.folder / "roster.json").stat().st_mtime
    seen = f"version {roster.version}, here for {age_s / 3600:.1f} h"
    if runs is not None and runs != roster.version:
        return False, f"{seen}; the relay runs version {runs}", "See `relay status` for the reason."
    return True, seen, ""


def _configuration(status: dict[str, Any]) -> tuple[bool, str, str]:
    found = status.get("configuration")
    if not found:
        return True, "none ran yet", ""
    seen = "settings file, no signed configuration"
    if found["slot"]:
        seen = "version {version} in slot {slot}, {state}".format_map(found)
    failed = [row for row in found["failed"] if row["version"] > (found["version"] or 0)]
    if failed:
        seen += "; version {version} was given up: {why}".format_map(failed[-1])
        return False, seen, "Have the authority sign a better next version: `hardware config sign`."
    return True, seen, ""
