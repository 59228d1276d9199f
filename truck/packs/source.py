"""Where packs come from: a file, or the remote where the team publishes them."""

import re
from pathlib import Path
from typing import Protocol

from hardware.errors import Damaged, Misconfigured, Refused
from hardware.pack import (
    MANIFEST_BYTES_MAX,
    PACK_BYTES_MAX,
    Pack,
    PackManifest,
    index_prefix,
    open_pack,
    open_pack_manifest,
)

_INDEX = re.compile(r"[0-9]{6}\.json")


class Remote(Protocol):
    """What is needed of a remote; those of cloud_sync have it."""

    name: str

    def get(self, key: str, limit: int) -> bytes:
        """The bytes of a key, of a longer one the first `limit` + 1."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys below a prefix that ends with '/'."""
        ...


def pack_of_file(path: Path, team: bytes) -> Pack:
    """The pack in a file.

    Raises:
        Misconfigured: it cannot be read.
        Refused: it is no pack that the team signed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(PACK_BYTES_MAX + 1)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", "Check the path.") from error
    return open_pack(data, team)


def pack_of_remote(
    remote: Remote, event: str, team: bytes, *, version: int | None, held: int
) -> tuple[Pack, list[str]]:
    """The newest pack of a remote, or one by its version; and what else was noticed.

    Args:
        remote: trusted in nothing: it may withhold, roll back or invent.
        event: whose packs.
        team: Ed25519 public key.
        version: None for the newest.
        held: the highest version this truck has seen; a remote that ends below it is not whole.

    Raises:
        Misconfigured: nothing there, or not that version.
        Damaged: the remote serves less than it has served, or other bytes than were signed.
    """
    served, notes = _index(remote, event, team)
    if not served:
        raise Misconfigured(
            f"{remote.name} holds no pack for {event} that the team signed",
            "Check the address, the event and the team's key.",
        )
    newest = max(served)
    if version is None and newest < held:
        raise Damaged(
            f"{remote.name} ends with pack {newest} where this truck holds pack {held}: it "
            "withholds packs or was rolled back. Fetch from elsewhere, or name one with --version"
        )
    wanted = newest if version is None else version
    if wanted not in served:
        raise Misconfigured(
            f"{remote.name} serves no pack {wanted}; the newest is {newest}",
            "Ask the team whether it is published; a remote can withhold it.",
        )
    manifest, envelope = served[wanted]
    try:
        pack = open_pack(remote.get(manifest.key, PACK_BYTES_MAX), team)
    except Refused as refusal:
        raise Damaged(
            f"{remote.name}/{manifest.key} is not the pack that was signed: {refusal}"
        ) from refusal
    if pack.envelope != envelope:
        raise Damaged(f"{remote.name}/{manifest.key} is {pack.manifest}, not {manifest}")
    return pack, notes


def _index(
    remote: Remote, event: str, team: bytes
) -> tuple[dict[int, tuple[PackManifest, bytes]], list[str]]:
    served: dict[int, tuple[PackManifest, bytes]] = {}
    notes = []
    for key in remote.keys(index_prefix(event)):
        if not _INDEX.fullmatch(key.removeprefix(index_prefix(event))):
            continue
        envelope = remote.get(key, MANIFEST_BYTES_MAX)
        try:
            manifest = open_pack_manifest(envelope, team)
        except Refused as refusal:
            notes.append(f"{remote.name}/{key} is ignored: {refusal}")
            continue
        if manifest.index_key == key:
            served[manifest.version] = (manifest, envelope)
        else:
            notes.append(f"{remote.name}/{key} is ignored: it is the manifest of another place")
    return served, notes
