"""Watching a remote: each new batch is proven, told, and, with the cloud team's key, acknowledged.

An ack is given after the chain up to a batch and every object of it were proven, and pulled where
there is a folder. An outage is waited out; what does not hold ends the watch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloud_sync.ack import ACK_BYTES_MAX, Ack, ack_key, open_ack, sign_ack
from cloud_sync.anchor import Witness
from cloud_sync.audit import (
    NO_WITNESS,
    NOBODY_ELSE,
    Audit,
    open_object,
    prove_chain,
    raise_failures,
)
from cloud_sync.fetching import each_in_order, fetch_object
from cloud_sync.key_audit import Trust
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.put import put_proven
from cloud_sync.remote import NotThere, Remote
from cloud_sync.tampering import Finding, Tampered, Tampering
from hardware.errors import Refused
from hardware.signing import SigningKey

Told = Callable[[Manifest], None]


@dataclass
class Watched:
    """How far one stream was proven by this watch, and when its last beat was given."""

    stream: str
    chain: Sequence[Manifest] = ()
    beat_s: float = 0.0


def prove_new(
    watched: Watched,
    remote: Remote,
    truck: bytes,
    key: KeyHolder | None,
    told: Told,
    trust: Trust = NOBODY_ELSE,
    witness: Witness = NO_WITNESS,
) -> None:
    """Prove what came since the last look; `told` is called with every new batch.

    Raises:
        Tampered: naming what does not hold; what was proven before stays so.
    """
    audit = Audit(watched.stream)
    if not prove_chain(audit, remote, truck, watched.chain, trust, witness, watched.beat_s):
        if not watched.chain and audit.failures[0].reason is Tampering.STREAM_MISSING:
            return  # its first objects come before its first manifest
        raise_failures([audit])
    new = audit.chain[len(watched.chain) :]
    opener = None if key is None else audit.opener(remote, key)
    if opener is not None:
        opener.check(new)

    def prove(manifest: Manifest) -> None:
        data = fetch_object(remote, manifest)
        if opener is not None:
            open_object(opener, data, manifest)

    for manifest, result in each_in_order(prove, new):
        if isinstance(result, Finding):
            raise Tampered(result.reason, result.what)
        told(manifest)
    watched.chain = audit.chain
    watched.beat_s = audit.beat.at_s if audit.beat else watched.beat_s


def acknowledge(remote: Remote, head: Manifest, key: SigningKey, now_s: float) -> Ack:
    """Store the signed word that all up to `head` is held here; the one that is there, if any.

    Raises:
        Tampered: when the ack in its place says something else, or another signed it.
    """
    batch = head.batch
    place = ack_key(batch.stream, batch.seq)
    ack = Ack(batch.stream, batch.seq, head.digest, head.hi, now_s)
    try:
        served = remote.get(place, ACK_BYTES_MAX)
    except NotThere:
        put_proven(remote, place, sign_ack(ack, key))
        return ack
    try:
        there = open_ack(served, key.public)
    except Refused as error:
        raise Tampered(
            Tampering.ACK_FORKED, f"{place} is not an ack of this key: {error}"
        ) from error
    if (there.stream, there.seq, there.digest, there.rows) != (
        ack.stream, ack.seq, ack.digest, ack.rows,
    ):  # fmt: skip
        raise Tampered(Tampering.ACK_FORKED, f"{place} acknowledges another batch than {batch}")
    return there
