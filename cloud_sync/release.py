"""Releasing: a local file goes when the cloud holds its batch, and not before.

Without the cloud team's key a batch counts as held once object and manifest were read back. With
it, only at an ack that this key signed, for the very manifest this truck sealed.
"""

from pathlib import Path

from cloud_sync.ack import ACK_BYTES_MAX, Ack, ack_prefix, open_ack
from cloud_sync.batch import BatchName
from cloud_sync.outbox import Outbox, State
from cloud_sync.remote import NotThere, Remote
from hardware import clock
from hardware.errors import Reason, Refused, Unavailable

_LOOK_S = 5.0
_TRIED_MAX = 8


class Releaser:
    """Removes local files of a spool; `cloud` is the cloud team's public key, or None."""

    def __init__(self, spool: Path, outbox: Outbox, remote: Remote, cloud: bytes | None) -> None:
        self._spool, self._outbox, self._remote, self._cloud = spool, outbox, remote, cloud
        self._look_at_s = 0.0

    def release(self) -> None:
        """Remove what may go.

        Raises:
            Unavailable: when a file cannot be removed, or the remote does not answer.
        """
        if self._cloud is not None:
            self._look_for_acks(self._cloud)
        for entry in self._outbox.releasable(acked_only=self._cloud is not None):
            try:
                (self._spool / entry.key).unlink(missing_ok=True)
            except OSError as error:
                raise Unavailable(f"cannot remove {entry.key}: {error.strerror}") from error
            self._outbox.move(entry.batch, State.RELEASED)

    def _look_for_acks(self, cloud: bytes) -> None:
        if clock.monotonic_s() < self._look_at_s:
            return
        self._look_at_s = clock.monotonic_s() + _LOOK_S
        acked = {name: known.acked for name, known in self._outbox.streams().items()}
        for stream in sorted({e.batch.stream for e in self._outbox.releasable(acked_only=False)}):
            prefix, refused = ack_prefix(stream), ""
            # the newest first: an ack speaks for all before it; junk above it must not hide it
            for key in self._remote.keys(prefix)[: -_TRIED_MAX - 1 : -1]:
                try:
                    ack = self._open(stream, key, cloud)
                except (Refused, NotThere) as error:
                    refused = refused or f"{self._remote.name}/{key}: {error}"
                    continue
                if ack.seq > acked.get(stream, -1):
                    self._outbox.note_ack(stream, ack.seq, ack.at_s)
                break
            self._outbox.note_ack_refused(stream, refused)

    def _open(self, stream: str, key: str, cloud: bytes) -> Ack:
        """The ack under a key, proven to be of a batch of ours.

        Raises:
            Refused: when it is not.
            NotThere: when it was listed and is gone.
        """
        ack = open_ack(self._remote.get(key, ACK_BYTES_MAX), cloud)
        entry = self._outbox.entry(BatchName(stream, ack.seq))
        if ack.stream != stream or entry is None:
            raise Refused(Reason.VALUE, f"an ack of {ack.stream}/{ack.seq}, never sealed here")
        if (ack.digest, ack.rows) != (entry.digest, entry.hi):
            raise Refused(Reason.VALUE, f"an ack of another manifest than our {entry.batch}")
        return ack
