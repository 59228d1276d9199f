"""Stage packs in a remote: the remote team publishes, anybody lists; nothing is ever replaced.

packs/<event>/<version:06d>-<sha16>.pack    the pack
packs/<event>/index/<version:06d>.json      its signed manifest, created last: the commit point
"""

import re

from cloud_sync.put import put_proven
from cloud_sync.remote import NotThere, Remote
from hardware.errors import Damaged, Misconfigured, Refused
from hardware.pack import (
    MANIFEST_BYTES_MAX,
    PackManifest,
    index_prefix,
    open_pack,
    open_pack_manifest,
)

FIRST_PART = "packs"  # of every key, so that it is no stream of a truck
_INDEX = re.compile(r"[0-9]{6}\.json")


def publish(remote: Remote, data: bytes, team: bytes) -> PackManifest:
    """Store a pack and then its manifest, each created once and read back.

    Raises:
        Refused: the bytes are no pack of the team's.
        Misconfigured: its version is taken, or lower than one that is published.
        Unavailable: try again with the same bytes.
    """
    pack = open_pack(data, team)
    manifest = pack.manifest
    published, _ = published_packs(remote, manifest.event, team)
    newest = published[-1] if published else None
    if newest and manifest.version < newest.version and manifest not in published:
        raise Misconfigured(
            f"version {newest.version} is published, no truck would take {manifest.version} now",
            f"Versions count up: --version {newest.version + 1}.",
        )
    for other in published:
        if other.version == manifest.version and other != manifest:
            raise _taken(manifest)
    put_proven(remote, manifest.key, data)
    try:
        put_proven(remote, manifest.index_key, pack.envelope)
    except Damaged as error:
        raise _taken(manifest) from error
    return manifest


def _taken(manifest: PackManifest) -> Misconfigured:
    return Misconfigured(
        f"version {manifest.version} is taken by another pack, and packs are never replaced",
        f"See `cloud-sync pack list`; the next is --version {manifest.version + 1} or higher.",
    )


def published_packs(
    remote: Remote, event: str, team: bytes
) -> tuple[list[PackManifest], list[str]]:
    """What the team has published for an event, by version, and index keys it did not sign."""
    found: list[PackManifest] = []
    foreign: list[str] = []
    for key in remote.keys(index_prefix(event)):
        name = key.removeprefix(index_prefix(event))
        try:
            manifest = open_pack_manifest(remote.get(key, MANIFEST_BYTES_MAX), team)
        except (Refused, NotThere):
            foreign.append(key)
            continue
        if _INDEX.fullmatch(name) and manifest.index_key == key:
            found.append(manifest)
        else:
            foreign.append(key)
    return sorted(found, key=lambda manifest: manifest.version), foreign
