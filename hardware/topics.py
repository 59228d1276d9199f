"""MQTT topics, version 1: who publishes what where.

up/l/<relay>   relay to truck, live lane, QoS 1, a bundle
up/b/<relay>   relay to truck, back-fill lane, QoS 1, a bundle
up/f/<relay>   relay to truck, QoS 1, a bundle of another relay, handed on
up/h/<relay>   relay to truck, QoS 1 to the broker and 0 on, a signed heartbeat
ack/<relay>    truck to relay, QoS 0, a signed commit acknowledgement
seen/<relay>   truck to relay, QoS 0, signed: the configuration its heartbeat named was seen
node/<relay>   truck to relay, retained, QoS 1: its newest configuration, signed by the authority
roster         truck to relays, retained, QoS 1: the newest roster, signed by the authority
head/<stream>  truck to all, retained, QoS 1: the newest signed beat of a stream of the cloud copy
"""

import re

from hardware.errors import Reason, Refused

BUNDLES = ("up/l/+", "up/b/+", "up/f/+")
BEATS = "up/h/+"
_LANES = (["up", "l"], ["up", "b"], ["up", "f"])
ROSTER = "roster"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def is_name(name: str) -> bool:
    """Whether `name` can stand in a topic and a certificate: a-z, 0-9 and -, 32 at most."""
    return _NAME.fullmatch(name) is not None


def live(relay: str) -> str:
    """The topic of a relay's live lane."""
    return f"up/l/{relay}"


def backfill(relay: str) -> str:
    """The topic of a relay's back-fill lane."""
    return f"up/b/{relay}"


def forwarded(relay: str) -> str:
    """The topic a relay hands other relays' bundles on by."""
    return f"up/f/{relay}"


def is_forwarded(topic: str) -> bool:
    """Whether what came on it was handed on by the relay that published it."""
    return topic.startswith("up/f/")


def heartbeat(relay: str) -> str:
    """The topic of a relay's heartbeats."""
    return f"up/h/{relay}"


def is_heartbeat(topic: str) -> bool:
    """Whether it is some relay's heartbeat topic."""
    return topic.startswith("up/h/")


def seen(relay: str) -> str:
    """The topic a relay hears on that the truck saw its heartbeat."""
    return f"seen/{relay}"


def node(relay: str) -> str:
    """The topic a relay's newest configuration is retained on."""
    return f"node/{relay}"


def ack(relay: str) -> str:
    """The topic a relay's commit acknowledgements come on."""
    return f"ack/{relay}"


def head(stream: str) -> str:
    """The topic a stream's newest beat is retained on."""
    return f"head/{stream}"


def relay_of(topic: str) -> tuple[str, bool]:
    """The relay that published on `topic`, and whether it is the live lane.

    Raises:
        Refused: MALFORMED, when it is not an uplink topic.
    """
    parts = topic.split("/")
    if (
        len(parts) != 3
        or parts[0] != "up"
        or parts[1] not in ("l", "b", "f")
        or not is_name(parts[2])
    ):
        raise Refused(Reason.MALFORMED, f"topic {topic[:64]!r}")
    return parts[2], parts[1] == "l"
