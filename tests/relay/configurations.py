"""Signed configurations for the relay of the tests."""

from typing import Any

from hardware.keys import read_key
from hardware.node import make_node, sign_node
from hardware.signing import SigningKey
from tests.relay.conftest import NAME, Event


def configuration(
    event: Event, version: int, /, *, signer: Event | None = None, **fields: Any
) -> bytes:
    """A configuration of relay r1, signed by the event's authority."""
    node = make_node(
        fields.pop("profile", "moto"),
        **{
            "event": event.roster.event,
            "name": NAME,
            "serial": "SN1",
            "version": version,
            "broker": {"host": "localhost", "port": 8883},
            "radio": {"host": "127.0.0.1", "port": 0},
            "trial_s": 5.0,
        }
        | fields,
    )
    key = read_key((signer or event).folder / "authority.key", "authority key")
    return sign_node(node, SigningKey(key))
