"""A node's configuration: what one relay is to do, signed offline by the event's authority.

A DSSE document, type `application/vnd.truck.node+json`, versioned. A node takes a higher version
of its own and keeps what it has in the face of an older one, another event's or another node's.
`PROFILES` holds the settings that follow from how a node moves.
"""

import hashlib
import ipaddress
import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hardware import topics
from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_exact_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.node+json"
SCHEMA = "truck.node/1"
NODE_BYTES_MAX = 16 << 10
HOPS_MAX = 8
NEIGHBOURS_MAX = 16

Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
ProfileName = Literal["moto", "helicopter", "fixed"]


class Profile(NamedTuple):
    """What follows from how a node moves.

    bundle_s: a bundle closes after so long. backfill_bytes: back-fill the broker has not taken
    yet. uncommitted_bytes: back-fill the truck has not committed yet. trial_s: how long a new
    configuration may take to be confirmed.
    """

    spool_bytes_max: int
    bundle_s: float
    backfill_bytes: int
    uncommitted_bytes: int
    trial_s: float


PROFILES: dict[ProfileName, Profile] = {
    # Hears some 3 km of road over a thin link: 198 riders are 25 KB/s, so 1 GiB is 11 h of them.
    "moto": Profile(1 << 30, 0.1, 16 << 10, 256 << 10, 60.0),
    # Hears everybody, and is without a link for over an hour at a time: 4 GiB is 45 h. Bundles of
    # 50 packets make a third of the rows and signatures and add 0.15 s to a budget of 3. A hole of
    # an hour is 90 MB; its wide link may carry more of that beside the live lane. After a hole it
    # needs longer than a minute until it is in anybody's sight again.
    "helicopter": Profile(4 << 30, 0.25, 64 << 10, 1 << 20, 300.0),
    # Stands on a mast or a pass with a steady link; often it carries its neighbours' bundles too.
    "fixed": Profile(2 << 30, 0.1, 32 << 10, 512 << 10, 60.0),
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Address(_Part):
    """A host and a port."""

    host: Host
    port: Port


class Broker(Address):
    """The truck's broker; without TLS only on loopback."""

    tls: bool = True

    @model_validator(mode="after")
    def _tls_beyond_loopback(self) -> "Broker":
        if not self.tls and not is_loopback(self.host):
            raise ValueError(f"tls may be off only on loopback, not for {self.host}")
        return self


class Radio(_Part):
    """Where packets come in: UDP always, a serial device where one is named."""

    host: Host
    port: Annotated[int, Field(ge=0, le=65535)]
    serial: Annotated[str, Field(pattern=r"^(/dev/[A-Za-z0-9/._-]{1,100})?$")] = ""
    baud: Annotated[int, Field(ge=1200, le=4_000_000)] = 115200
    channel: Annotated[int, Field(ge=0, le=255)] | None = None


class Neighbour(Address):
    """Another relay and where it listens for what is handed on; as text NAME@HOST:PORT."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}@{self.host}:{self.port}"

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        return _name(name)


class Forwarding(_Part):
    """Relays hand on each other's bundles in valleys; `host` and `port` are where this one hears.

    A node with no neighbours hands nothing on and only carries what comes.
    """

    host: Host
    port: Port
    hops_max: Annotated[int, Field(ge=1, le=HOPS_MAX)] = HOPS_MAX
    neighbours: Annotated[tuple[Neighbour, ...], Field(max_length=NEIGHBOURS_MAX)] = ()


class Node(_Part):
    """One version of one node's configuration; sizes in bytes, times in seconds."""

    event: Annotated[str, Field(min_length=1, max_length=64)]
    name: str
    serial: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    role: Literal["relay"] = "relay"
    profile: ProfileName
    broker: Broker
    radio: Radio
    enrol: Address | None = None
    forwarding: Forwarding | None = None
    spool_bytes_max: Annotated[int, Field(ge=1 << 20, le=1 << 40)]
    bundle_s: Annotated[float, Field(ge=0.02, le=1.0)]
    backfill_bytes: Annotated[int, Field(ge=1 << 10, le=16 << 20)]
    uncommitted_bytes: Annotated[int, Field(ge=1 << 10, le=64 << 20)]
    trial_s: Annotated[float, Field(ge=5.0, le=3600.0)]

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        return _name(name)


def make_node(profile: ProfileName, **fields: Any) -> Node:
    """A node's configuration with its profile's settings where `fields` names no others.

    Raises:
        Refused: VALUE, naming the field.
    """
    return _node({"profile": profile} | PROFILES[profile]._asdict() | fields)


def sign_node(node: Node, authority: SigningKey) -> bytes:
    """The configuration as a signed document."""
    payload = {"schema": SCHEMA} | node.model_dump(mode="json")
    return sign_document(payload, PAYLOAD_TYPE, authority)


def open_node(
    envelope: bytes, authority_public: bytes, event: str, name: str, serial: str | None = None
) -> Node:
    """The configuration in a signed document, if it is for this node.

    Args:
        envelope: the document's bytes.
        authority_public: of the event's authority.
        event: the node's own.
        name: the node's own.
        serial: the node's own; None where it was never told one.

    Raises:
        Refused: OVERSIZE, MALFORMED, SIGNATURE, VERSION (of the schema), VALUE (a field, named),
            OTHER_EVENT or OTHER_NODE.
    """
    node = read_node(envelope, authority_public)
    if node.event != event:
        raise Refused(Reason.OTHER_EVENT, f"a configuration for {node.event!r}, not {event!r}")
    if node.name != name:
        raise Refused(Reason.OTHER_NODE, f"a configuration for {node.name!r}, not {name!r}")
    if serial is not None and node.serial != serial:
        raise Refused(
            Reason.OTHER_NODE, f"a configuration for serial {node.serial!r}, not {serial!r}"
        )
    return node


def read_node(envelope: bytes, authority_public: bytes) -> Node:
    """The configuration in a signed document, whosoever it is.

    Raises:
        Refused: OVERSIZE, MALFORMED, SIGNATURE, VERSION (of the schema) or VALUE (a field, named).
    """
    if len(envelope) > NODE_BYTES_MAX:
        raise Refused(Reason.OVERSIZE, f"a configuration of {len(envelope)} bytes")
    payload, _ = open_exact_document(envelope, PAYLOAD_TYPE, authority_public)
    if payload.pop("schema", None) != SCHEMA:
        raise Refused(Reason.VERSION, f"not a {SCHEMA}")
    return _node(payload)


def check_newer(current: Node, offered: Node) -> None:
    """Whether `offered` may replace `current`, another than itself.

    Raises:
        Refused: OTHER_EVENT, OTHER_NODE, or OLDER where its version is not higher.
    """
    if offered.event != current.event:
        raise Refused(Reason.OTHER_EVENT, f"for {offered.event!r}, not {current.event!r}")
    if (offered.name, offered.serial) != (current.name, current.serial):
        raise Refused(Reason.OTHER_NODE, f"for {offered.name!r}, not {current.name!r}")
    if offered.version <= current.version:
        what = f"configuration version {offered.version}; this node has {current.version}"
        raise Refused(Reason.OLDER, what)


def config_digest(envelope: bytes) -> str:
    """What a heartbeat names a configuration by: the SHA-256 of its signed document, in hex."""
    return hashlib.sha256(envelope).hexdigest()


def relay_settings(node: Node) -> dict[str, Any]:
    """The configuration as settings of a relay, see `relay.config`."""
    forwarding = node.forwarding
    return {
        "name": node.name,
        "broker_host": node.broker.host,
        "broker_port": node.broker.port,
        "broker_tls": node.broker.tls,
        "radio_host": node.radio.host,
        "radio_port": node.radio.port,
        "radio_serial": node.radio.serial,
        "radio_baud": node.radio.baud,
        "forward_host": forwarding.host if forwarding else "",
        "forward_port": forwarding.port if forwarding else 0,
        "hops_max": forwarding.hops_max if forwarding else HOPS_MAX,
        "neighbours": list(map(str, forwarding.neighbours)) if forwarding else [],
        "spool_bytes_max": node.spool_bytes_max,
        "bundle_s": node.bundle_s,
        "backfill_bytes": node.backfill_bytes,
        "uncommitted_bytes": node.uncommitted_bytes,
        "trial_s": node.trial_s,
    }


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _node(fields: dict[str, Any]) -> Node:
    try:  # by way of JSON, in which a strict tuple is a list
        return Node.model_validate_json(json.dumps(fields, default=_Part.model_dump))
    except ValidationError as error:
        raise _refused(error) from error


def _name(name: str) -> str:
    if not topics.is_name(name):
        raise ValueError("must be a-z, 0-9 and -, 32 at most")
    return name


def _refused(error: ValidationError) -> Refused:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole"
    return Refused(Reason.VALUE, f"field {field}: {first['msg'].removeprefix('Value error, ')}")
