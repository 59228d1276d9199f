"""A relay's seed: the files on its card, from which a blank node becomes that relay.

A NoCloud seed of cloud-init on a FAT volume labelled CIDATA. cloud-init itself reads three files:

    user-data        mounts the volume at every start, and a unit that runs `relay first-boot` then
    meta-data        an instance id that follows from the contents: another card, another first boot
    network-config   every wired port asks for an address

First boot reads the others, and none before COMMIT says that all are there:

    node.json        the node's configuration, signed by the authority (hardware/node.py)
    token            for enrolling once (hardware/enrolment.py), 64 hex digits
    authority.pub    64 hex digits; beside it ca.crt (PEM) and roster.json
    COMMIT           written last: size and SHA-256 of every other file

cloud-init takes JSON for the YAML it is, and JSON has one spelling here, so that the same inputs
are the same bytes. COMMIT says whole, not genuine: what must be genuine is signed inside.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hardware import keys, topics
from hardware.errors import Damaged, Misconfigured

SCHEMA = "truck.seed/1"
LABEL = "CIDATA"
COMMIT = "COMMIT"
MOUNT_POINT = "/media/truck-seed"
HOME = "/var/lib/truck-relay"
FOREIGN = ("vendor-data", "vendordata")  # cloud-init would run these too
FILE_BYTES_MAX = 1 << 20
_HEADER = b"#cloud-config\n"
_UNIT_PATH = "/etc/systemd/system/truck-first-boot.service"
# cloud-init runs its commands once an instance, power cut or not; a unit runs at every start, and
# so takes another card too. The relay runs as a user of its own: systemd gives it all of its home
# when the top of it is not its own.
_UNIT = f"""[Unit]
Description=Big Data Truck: what the card says
RequiresMountsFor={MOUNT_POINT}
Wants=network-online.target
After=network-online.target
Before=truck-relay.service

[Service]
Type=oneshot
ExecStart=relay first-boot {HOME} --seed {MOUNT_POINT} --seconds 300
ExecStartPost=chown root:root {HOME}/.
TimeoutStartSec=600
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_READ_BY_CLOUD_INIT = ("user-data", "meta-data", "network-config")
_CARRIED = ("node.json", "token", "authority.pub", "ca.crt", "roster.json")
FILES = (*_READ_BY_CLOUD_INIT, *_CARRIED, COMMIT)

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _WrittenFile(_Part):
    path: str
    permissions: str
    content: str


class _UserData(_Part):
    """The keys of user-data; `cloud-init schema` lets an unknown one pass."""

    hostname: str
    mounts: list[list[str]]
    write_files: list[_WrittenFile]
    runcmd: list[list[str]]


class _MetaData(_Part):
    instance_id: str = Field(alias="instance-id")
    local_hostname: str = Field(alias="local-hostname")


class _Match(_Part):
    name: str


class _Ethernet(_Part):
    match: _Match
    dhcp4: bool
    optional: bool


class _NetworkConfig(_Part):
    version: Literal[2]
    ethernets: dict[str, _Ethernet]


class _File(_Part):
    size: Annotated[int, Field(ge=0, le=FILE_BYTES_MAX)]
    sha256: _Digest


class _Commit(_Part):
    schema_name: Literal["truck.seed/1"] = Field(alias="schema")
    event: Annotated[str, Field(min_length=1, max_length=64)]
    name: str
    serial: Annotated[str, Field(min_length=1, max_length=64)]
    config_version: Annotated[int, Field(ge=1)]
    config_sha256: _Digest
    files: dict[str, _File]


@dataclass(frozen=True)
class Seed:
    """A whole seed. Digests are SHA-256 in hex.

    Attributes:
        config_sha256: of node.json, by which a heartbeat names a configuration.
        digest: of COMMIT, and so of all files.
    """

    event: str
    name: str
    serial: str
    config_version: int
    config_sha256: str
    digest: str
    node: bytes
    token: bytes
    authority_public: bytes
    ca_certificate: bytes
    roster: bytes


def seed_files(
    *,
    event: str,
    name: str,
    serial: str,
    config_version: int,
    node: bytes,
    token: bytes,
    authority_public: bytes,
    ca_certificate: bytes,
    roster: bytes,
) -> dict[str, bytes]:
    """The files of a relay's seed by name, in the order they are written: COMMIT is the last.

    Args:
        event: the event's id.
        name: the relay's.
        serial: of the node the card is for.
        config_version: of the configuration in `node`.
        node: its signed configuration.
        token: its enrolment token, 32 bytes.
        authority_public: 32 bytes.
        ca_certificate: PEM.
        roster: signed.

    Raises:
        Misconfigured: a name that is none, or a file that is empty or too large.
    """
    if not topics.is_name(name):
        raise Misconfigured(f"relay name {name[:64]!r} is no name", "Use a-z, 0-9 and -.")
    carried = {
        "node.json": node,
        "token": token.hex().encode() + b"\n",
        "authority.pub": authority_public.hex().encode() + b"\n",
        "ca.crt": ca_certificate,
        "roster.json": roster,
    }
    for file, data in carried.items():
        if not 0 < len(data) <= FILE_BYTES_MAX:
            raise Misconfigured(
                f"{file} for {name} has {len(data)} bytes", f"It may have {FILE_BYTES_MAX}."
            )
    contents = hashlib.sha256(b"".join(hashlib.sha256(d).digest() for d in carried.values()))
    user_data = {
        "hostname": name,
        "mounts": [[f"LABEL={LABEL}", MOUNT_POINT, "vfat", "ro,nofail,umask=0077", "0", "0"]],
        "write_files": [{"path": _UNIT_PATH, "permissions": "0644", "content": _UNIT}],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "truck-first-boot.service", "truck-relay.service"],
        ],
    }
    meta_data = {"instance-id": f"{name}-{contents.hexdigest()[:16]}", "local-hostname": name}
    wired = {"match": {"name": "e*"}, "dhcp4": True, "optional": True}
    files = {
        "user-data": _HEADER + _spelt(user_data),
        "meta-data": _spelt(meta_data),
        "network-config": _spelt({"version": 2, "ethernets": {"wired": wired}}),
    } | carried
    commit = {
        "schema": SCHEMA,
        "event": event,
        "name": name,
        "serial": serial,
        "config_version": config_version,
        "config_sha256": hashlib.sha256(node).hexdigest(),
        "files": {
            file: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for file, data in files.items()
        },
    }
    files[COMMIT] = _spelt(commit)
    read_seed(files)  # what would be refused later is never written
    return files


def read_seed(files: Mapping[str, bytes]) -> Seed:
    """The seed that a card's files are, proven whole; files of other names are let be.

    It says nothing of who made it: open `node` and `roster` with the authority's key.

    Raises:
        Damaged: naming the file that is missing, foreign, cut or changed.
    """
    if COMMIT not in files:
        raise Damaged("the card was not finished: it has no COMMIT; flash it again")
    foreign = sorted({name.lower() for name in files} & set(FOREIGN))
    if foreign:
        raise Damaged(f"the card holds a foreign {foreign[0]}, which the node would run too")
    raw = files[COMMIT]
    commit = _parsed(_Commit, COMMIT, raw)
    if set(commit.files) != set(FILES) - {COMMIT}:
        raise Damaged("COMMIT lists other files than a seed has; flash the card again")
    for name, said in commit.files.items():
        data = files.get(name)
        if data is None:
            raise Damaged(f"the card has lost {name}; flash it again")
        if len(data) != said.size or hashlib.sha256(data).hexdigest() != said.sha256:
            raise Damaged(f"{name} on the card is not what COMMIT says; flash it again")
    _check_cloud_init(files, commit.name)
    if commit.config_sha256 != commit.files["node.json"].sha256:
        raise Damaged("COMMIT names another configuration than node.json; flash the card again")
    return Seed(
        event=commit.event,
        name=commit.name,
        serial=commit.serial,
        config_version=commit.config_version,
        config_sha256=commit.config_sha256,
        digest=hashlib.sha256(raw).hexdigest(),
        node=files["node.json"],
        token=_key_in(files, "token"),
        authority_public=_key_in(files, "authority.pub"),
        ca_certificate=files["ca.crt"],
        roster=files["roster.json"],
    )


def _check_cloud_init(files: Mapping[str, bytes], name: str) -> None:
    """Our own schema of what cloud-init reads; its own misses unknown keys at the top."""
    user_data = files["user-data"]
    if not user_data.startswith(_HEADER):
        raise Damaged("user-data does not begin with #cloud-config")
    hostname = _parsed(_UserData, "user-data", user_data[len(_HEADER) :]).hostname
    meta_data = _parsed(_MetaData, "meta-data", files["meta-data"])
    _parsed(_NetworkConfig, "network-config", files["network-config"])
    if {hostname, meta_data.local_hostname} != {name} or not topics.is_name(name):
        raise Damaged(f"the card's files name another relay than {name[:64]!r}")


_Model = TypeVar("_Model", bound=_Part)


def _parsed(model: type[_Model], file: str, data: bytes) -> _Model:
    try:
        value = json.loads(data)
        if _spelt(value) != data:
            raise Damaged(f"{file} is not as it was written; flash the card again")
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Damaged(f"{file}, {field}: {first['msg']}; flash the card again") from error
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{file} is no JSON; flash the card again") from error


def _key_in(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        key = bytes.fromhex(files[name].decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != keys.KEY_BYTES:
        raise Damaged(f"{name} holds no key of {keys.KEY_BYTES} bytes; flash the card again")
    return key


def _spelt(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"
