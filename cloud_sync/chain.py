"""The chain as a remote serves it: every manifest from 0, without a gap, up to the newest head.

What an earlier pull has proven is not fetched again: its head must still be served, the same, and
what follows must follow from it. Then the heads known from elsewhere, and the truck's last beat.
"""

import re
from collections.abc import Sequence

from cloud_sync.anchor import Anchor, Witness, newest_beat
from cloud_sync.batch import BatchName, manifest_prefix
from cloud_sync.beat import Beat
from cloud_sync.fetching import each_in_order
from cloud_sync.manifest import ENVELOPE_BYTES_MAX, Manifest, check_link, open_at
from cloud_sync.remote import Remote
from cloud_sync.tampering import Finding, Tampered, Tampering

_MANIFEST = re.compile(r"\d{12}\.json", re.ASCII)


def fetch_chain(
    remote: Remote, stream: str, truck: bytes, seen: Sequence[Manifest]
) -> list[Manifest]:
    """The whole chain; `seen` is the part of it that was proven before.

    Raises:
        Tampered: naming the first manifest that does not belong where it is served.
    """
    prefix = manifest_prefix(stream)
    names = [key for key in remote.keys(prefix) if _MANIFEST.fullmatch(key.removeprefix(prefix))]
    for seq, name in enumerate(names):
        place = BatchName(stream, seq)
        if name != place.manifest_key():
            kind = Tampering.MANIFEST_MISSING if seq else Tampering.FIRST_MISSING
            raise Tampered(kind, f"manifest {place} is missing, yet {name} is there")
    if seen:
        _check_seen(remote, truck, len(names), seen[-1])
    elif not names:
        raise Tampered(
            Tampering.STREAM_MISSING, f"stream {stream} has no manifest in {remote.name}"
        )

    def fetch(seq: int) -> Manifest:
        place = BatchName(stream, seq)
        return open_at(place, remote.get(place.manifest_key(), ENVELOPE_BYTES_MAX), truck)

    chain = list(seen)
    for seq, manifest in each_in_order(fetch, range(len(seen), len(names))):
        if isinstance(manifest, Finding):
            raise Tampered(manifest.reason, manifest.what)
        check_link(BatchName(stream, seq), chain[-1] if chain else None, manifest)
        chain.append(manifest)
    return chain


def _check_seen(remote: Remote, truck: bytes, served: int, head: Manifest) -> None:
    """Raise Tampered unless the head of the last pull is still there, and the same."""
    place = head.batch
    if served <= place.seq:
        raise Tampered(
            Tampering.HEAD_WITHHELD,
            f"manifest {place} was there at the last pull and is withheld now",
        )
    again = open_at(place, remote.get(place.manifest_key(), ENVELOPE_BYTES_MAX), truck)
    if again.digest != head.digest:
        raise Tampered(
            Tampering.HEAD_FORKED,
            f"manifest {place} is another than at the last pull: the chain forks",
        )


def check_anchor(chain: Sequence[Manifest], stream: str, anchor: Anchor) -> None:
    """Raise Tampered unless a head known from elsewhere is part of the chain."""
    place = BatchName(stream, anchor.seq)
    if len(chain) <= anchor.seq:
        raise Tampered(
            Tampering.ANCHOR_WITHHELD,
            f"manifest {place} is withheld, or still on its way from the truck: {anchor.source}"
            f" knows it, and the chain served ends before {len(chain)}",
        )
    if chain[anchor.seq].digest != anchor.digest:
        raise Tampered(
            Tampering.ANCHOR_FORKED,
            f"manifest {place} is another than {anchor.source} knows: the chain forks",
        )


def fetch_beat(remote: Remote, stream: str, truck: bytes) -> Beat | None:
    """The truck's last word that the remote serves; asked for before the chain, which may grow.

    Raises:
        Tampered: when it is not the truck's, or of another stream.
    """
    beat = newest_beat(remote, stream, truck)
    if beat is not None and beat.stream != stream:
        raise Tampered(
            Tampering.BEAT_OTHER_STREAM,
            f"the newest beat of stream {stream} is of stream {beat.stream}",
        )
    return beat


def check_beat(
    chain: Sequence[Manifest], stream: str, beat: Beat | None, seen_at_s: float, witness: Witness
) -> str:
    """A remark on the truck's last word, or nothing; `seen_at_s` is when the one seen was given.

    Raises:
        Tampered: when it contradicts the chain or the last pull, or speaks of more than is served;
            where it must be fresh, also when it has expired or is missing.
    """
    if beat is None or beat.at_s < seen_at_s:
        if seen_at_s:
            raise Tampered(
                Tampering.BEAT_WITHHELD,
                f"a beat of stream {stream} was there at the last pull and is withheld now",
            )
        kind, remark = Tampering.BEAT_MISSING, f"no beat of stream {stream} says how fresh it is"
    elif beat.seq < len(chain) and chain[beat.seq].digest != beat.digest:
        raise Tampered(
            Tampering.BEAT_FORKED,
            f"the truck's beat names another manifest {stream}/{beat.seq:012d}: the chain forks",
        )
    elif beat.seq >= len(chain):  # a beat goes up only after the batch that it names
        raise Tampered(
            Tampering.BEAT_AHEAD,
            f"the truck's beat names manifest {stream}/{beat.seq:012d} and {len(chain)} batches are"
            " served: the newest are withheld",
        )
    elif not beat.is_fresh(witness.now_s):
        kind = Tampering.BEAT_EXPIRED
        late_s = witness.now_s - beat.expires_s
        remark = (
            f"the truck's last beat of stream {stream} expired {late_s:.0f} s ago: it has stopped,"
            " or yesterday's head is served as today's"
        )
    else:
        return ""
    if witness.live:
        raise Tampered(kind, remark)
    return "" if kind is Tampering.BEAT_MISSING else remark
