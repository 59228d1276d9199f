"""The event's authority: makes an event's keys, certificates and roster, offline.

An event folder has one credentials folder a machine, and what only the authority keeps:

    authority.key, ca.key        never leave this machine
    truck.pub                    for the cloud team, who prove the truck's manifests with it
    truck/                       truck.key event.key journal.key store.key + TLS + roster
    relays/<name>/               relay.key + TLS + roster
    bikes/devices.json           private keys of virtual transponders (real ones make their own)
"""

import datetime as dt
import ipaddress
import json
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hardware import keys
from hardware.errors import Misconfigured
from hardware.roster import Binding, DeviceKey, RelayKey, Roster, check_roster, sign_roster
from hardware.signing import SigningKey

TRUCK_NAME = "truck"
_VALID_DAYS = 60


def create_event(
    folder: Path,
    *,
    event: str,
    now_s: float,
    bibs: list[int],
    relays: list[str],
    truck_hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
) -> Roster:
    """Make an event with virtual transponders, device k for the k-th bib, and write its folder.

    Raises:
        Misconfigured: when the folder already holds an event, or cannot be written.
    """
    if (folder / "authority.key").exists():
        raise Misconfigured(f"{folder} already holds an event", "Choose an empty folder.")
    authority = SigningKey(keys.new_secret())
    truck, event_box = SigningKey(keys.new_secret()), keys.new_secret()
    relay_keys = {name: SigningKey(keys.new_secret()) for name in relays}
    devices = {k: (keys.new_secret(), keys.new_secret()) for k in range(1, len(bibs) + 1)}
    valid_from_s, valid_to_s = now_s - 86400.0, now_s + _VALID_DAYS * 86400.0
    roster = Roster(
        event=event,
        version=1,
        epoch_s=float(int(now_s) - int(now_s) % 86400 - 30 * 86400),
        event_box_public=keys.box_public(event_box),
        truck_sign_public=truck.public,
        devices=tuple(
            DeviceKey(k, 1, SigningKey(sign).public, keys.box_public(box), valid_from_s, valid_to_s)
            for k, (sign, box) in devices.items()
        ),
        bindings=tuple(Binding(k, bib, 0.0) for k, bib in enumerate(bibs, start=1)),
        relays=tuple(RelayKey(name, key.public) for name, key in relay_keys.items()),
    )
    check_roster(roster)
    signed = sign_roster(roster, authority)
    ca = _Ca(now_s)
    keys.write_file(folder / "ca.key", ca.key_pem())
    machines = {TRUCK_NAME: folder / "truck"} | {r: folder / "relays" / r for r in relays}
    for name, home in machines.items():
        hosts = truck_hosts if name == TRUCK_NAME else ()
        certificate, key = ca.issue(name, hosts, now_s)
        keys.write_file(home / "ca.crt", ca.certificate_pem(), 0o644)
        keys.write_file(home / "tls.crt", certificate, 0o644)
        keys.write_file(home / "tls.key", key)
        keys.write_key(home / "authority.pub", authority.public)
        keys.write_file(home / "roster.json", signed, 0o644)
    keys.write_key(folder / "truck" / "truck.key", truck.seed)
    keys.write_key(folder / "truck.pub", truck.public)  # whoever pulls proves the chain with it
    keys.write_key(folder / "truck" / "event.key", event_box)
    for name in ("journal", "store"):
        keys.write_key(folder / "truck" / f"{name}.key", keys.new_secret())
    for name, relay_key in relay_keys.items():
        keys.write_key(folder / "relays" / name / "relay.key", relay_key.seed)
    private = [
        {"device": k, "generation": 1, "sign": sign.hex(), "box": box.hex()}
        for k, (sign, box) in devices.items()
    ]
    bikes = folder / "bikes"
    keys.write_file(bikes / "devices.json", json.dumps({"devices": private}).encode())
    keys.write_file(bikes / "roster.json", signed, 0o644)
    keys.write_key(bikes / "authority.pub", authority.public)
    keys.write_key(folder / "authority.key", authority.seed)  # last: it says the folder is whole
    return roster


def publish_roster(folder: Path, roster: Roster) -> Roster:
    """Sign the next version of `roster` and lay it into every credentials folder of the event."""
    authority = SigningKey(keys.read_key(folder / "authority.key", "authority signing key"))
    following = replace(roster, version=roster.version + 1)
    check_roster(following)
    signed = sign_roster(following, authority)
    for path in sorted(folder.rglob("roster.json")):
        keys.write_file(path, signed, 0o644)
    return following


class _Ca:
    """The event's certificate authority: one EC P-256 key, client and server certificates."""

    def __init__(self, now_s: float) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "event CA")])
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key(), now_s)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def key_pem(self) -> bytes:
        return _pem(self._key)

    def certificate_pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, hosts: tuple[str, ...], now_s: float) -> tuple[bytes, bytes]:
        """A certificate with CN `name` (the MQTT user) and its key, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(subject, self._name, key.public_key(), now_s)
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now_s: float
) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(now_s, dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=sign_certificates,
        crl_sign=sign_certificates, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
