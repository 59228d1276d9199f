"""From the crew's sheet to the signed configuration of each relay.

    EVENT/nodes/<name>.json    the newest configuration of a relay, as signed

A relay whose line still says the same keeps its configuration to the byte; one that says something
else gets the next version. A version is never used twice, so a node can refuse what is older.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509

from hardware import keys
from hardware.authority import check_event, newest_roster, open_authority
from hardware.crew import Crew, Member
from hardware.errors import Damaged, Misconfigured, Refused
from hardware.node import (
    Address,
    Broker,
    Forwarding,
    Neighbour,
    Node,
    Radio,
    config_digest,
    is_loopback,
    make_node,
    read_node,
    sign_node,
)
from hardware.seed import seed_files

BROKER_PORT = 8883
RADIO_PORT = 9100
FORWARD_PORT = 9200
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - a relay hears whoever is in reach


@dataclass(frozen=True)
class Plan:
    """One relay: its line, its configuration, and that as signed once it is."""

    member: Member
    node: Node
    envelope: bytes | None

    @property
    def digest(self) -> str | None:
        """What a heartbeat and the ledger name the configuration by."""
        return None if self.envelope is None else config_digest(self.envelope)


def truck_address(event: Path, said: str) -> Broker:
    """Where relays reach the truck.

    Args:
        event: the event's folder.
        said: HOST or HOST:PORT; empty takes the first host that the truck's certificate names
            beyond this machine.

    Raises:
        NotInitialised: there is no event in the folder.
        Misconfigured: the certificate does not name that host, so no relay would trust it.
    """
    check_event(event)
    hosts = _hosts(event)
    beyond = [host for host in hosts if not is_loopback(host)]
    host, port = _host_and_port(said, BROKER_PORT) if said else ((beyond or hosts)[0], BROKER_PORT)
    if host not in hosts:
        raise Misconfigured(
            f"the truck's certificate does not name {host}, so no relay would trust it",
            f"Name one of {', '.join(hosts)}, or make the event with --truck-host {host}.",
        )
    return Broker(host=host, port=port)


def enrolment_address(said: str) -> Address | None:
    """Where relays enrol, HOST:PORT; None where they are not told.

    Raises:
        Misconfigured: it is no address.
    """
    if not said:
        return None
    host, port = _host_and_port(said, 0)
    if not port:
        raise Misconfigured(f"{said[:64]!r} is no HOST:PORT", "Write it like 10.0.0.2:8443.")
    return Address(host=host, port=port)


def plan_fleet(event: Path, crew: Crew, truck: Broker, enrol: Address | None) -> list[Plan]:
    """What each relay of the sheet would be told; nothing is written.

    Raises:
        NotInitialised: there is no event in the folder.
        Damaged: a configuration on file is not what the authority signed.
    """
    check_event(event)
    _, roster = newest_roster(event)
    public = keys.read_key(event / "authority.pub", "authority public key")
    return [
        _plan(event, member, _node(roster.event, member, crew, truck, enrol), public)
        for member in crew.relays
    ]


def sign_fleet(event: Path, plans: list[Plan]) -> list[Plan]:
    """The plans with all configurations signed and on file.

    Raises:
        TruckError: what opening the authority raises; only a new version needs it.
    """
    if all(plan.envelope is not None for plan in plans):
        return plans
    authority = open_authority(event).key
    signed = []
    for plan in plans:
        if plan.envelope is None:
            envelope = sign_node(plan.node, authority)
            keys.write_file(node_path(event, plan.member.name), envelope, 0o644)
            plan = replace(plan, envelope=envelope)
        signed.append(plan)
    return signed


def node_path(event: Path, name: str) -> Path:
    """Where the event folder keeps a relay's configuration."""
    return event / "nodes" / f"{name}.json"


def seed_of(event: Path, plan: Plan, token: bytes, roster: bytes) -> dict[str, bytes]:
    """The files of a relay's card.

    Args:
        event: the event's folder.
        plan: with its configuration signed.
        token: 32 bytes.
        roster: the event's newest, as signed.

    Raises:
        Misconfigured: its configuration is not signed, or a file is missing or too large.
    """
    if plan.envelope is None:
        raise Misconfigured(f"{plan.member.name} is not signed yet", "Sign the fleet first.")
    return seed_files(
        event=plan.node.event,
        name=plan.member.name,
        serial=plan.member.serial,
        config_version=plan.node.version,
        node=plan.envelope,
        token=token,
        authority_public=keys.read_key(event / "authority.pub", "authority public key"),
        ca_certificate=keys.read_file(event / "ca.crt", "certificate of the event's CA"),
        roster=roster,
    )


def _plan(event: Path, member: Member, node: Node, public: bytes) -> Plan:
    path = node_path(event, member.name)
    if not path.exists():
        return Plan(member, node, None)
    envelope = keys.read_file(path, "configuration")
    try:
        before = read_node(envelope, public)
    except Refused as refusal:
        raise Damaged(f"{path} is not what this event's authority signed: {refusal}") from refusal
    if before.model_copy(update={"version": node.version}) == node:
        return Plan(member, before, envelope)
    return Plan(member, node.model_copy(update={"version": before.version + 1}), None)


def _node(event: str, member: Member, crew: Crew, truck: Broker, enrol: Address | None) -> Node:
    onward = tuple(
        Neighbour(name=other.name, host=other.address, port=FORWARD_PORT)
        for other in crew.relays
        if other.name == member.forward_to and other.address is not None
    )
    carries = member.address is not None or bool(onward)
    return make_node(
        member.profile.value,
        event=event,
        name=member.name,
        serial=member.serial,
        version=1,
        broker=truck,
        radio=Radio(
            host=_EVERYWHERE, port=RADIO_PORT, serial=member.radio or "", channel=member.channel
        ),
        enrol=enrol,
        forwarding=Forwarding(host=_EVERYWHERE, port=FORWARD_PORT, neighbours=onward)
        if carries
        else None,
    )


def _hosts(event: Path) -> list[str]:
    """Whom the truck's certificate names."""
    path = event / "truck" / "tls.crt"
    try:
        certificate = x509.load_pem_x509_certificate(keys.read_file(path, "truck's certificate"))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Damaged(f"{path} is no certificate of a truck") from error
    return list(_said(names))


def _said(names: x509.SubjectAlternativeName) -> Iterator[str]:
    for name in names:
        yield str(name.value)


def _host_and_port(said: str, port: int) -> tuple[str, int]:
    host, colon, number = said.rpartition(":")
    if not colon:
        return said, port
    if not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise Misconfigured(f"{said[:64]!r} is no HOST:PORT", "Write it like 10.0.0.2:8883.")
    return host.strip("[]"), int(number)
