"""One start of a relay: its home, its configuration, the service, and what follows its end."""

import os
import signal
import sys
from typing import Any

import structlog

from hardware import home
from hardware.errors import Misconfigured, TruckError
from hardware.keys import Credentials
from hardware.node import relay_settings
from relay.config import RelayConfig, RelayIdentity
from relay.home import RelayHome
from relay.orders import take_offered
from relay.service import Service
from relay.slots import Slots, Whose


def open_slots(at_home: RelayHome, flags: dict[str, Any]) -> Slots:
    """The slots of a home, and what a configuration must be for to lie in them.

    Raises:
        TruckError: no home, no credentials, or no roster that can be trusted.
    """
    identity = home.load_settings(RelayIdentity, at_home.config, flags)
    credentials = Credentials(identity.credentials)
    whose = Whose(credentials.authority(), credentials.roster().event, identity.name)
    try:
        home.load_settings(RelayConfig, at_home.config, flags)
    except Misconfigured:
        return Slots(at_home.folder, whose, has_settings=False)
    return Slots(at_home.folder, whose, has_settings=True)


def run_relay(at_home: RelayHome, flags: dict[str, Any]) -> None:
    """Run a relay until SIGTERM or SIGINT; with another configuration it starts itself anew.

    Raises:
        Locked: another relay runs in this home.
        Misconfigured: something the operator has to mend first.
    """
    home.check(at_home.config)
    _held = home.lock(at_home.folder, "relay")
    slots = open_slots(at_home, flags)
    take_offered(slots)
    slot = slots.begin()
    try:
        signed = relay_settings(slot.node) if slot else {}
        config = home.load_settings(RelayConfig, at_home.config, flags, signed)
        service = Service(at_home, config, slots)
    except TruckError as error:
        if not (slots.on_trial and slots.may_return):
            raise
        slots.give_up(str(error))
        _start_again()
        raise
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()
    if service.restart:
        _start_again()


def _start_again() -> None:
    """The same command in the same process, from its first line: a clean start like any other."""
    structlog.get_logger().info("relay starts again")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
