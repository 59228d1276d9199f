"""Sealing: committed rows become sealed files and signed manifests in the spool.

A batch is written sealed and fsynced while it is read back from the file, opened with the data key
that is still in memory, and compared row by row; then it gets its name and the folder is fsynced;
then its outbox row, with the signed manifest, commits in one transaction. That row is the commit
point: a kill before it leaves a file nobody names, swept at the next start; a kill after it leaves
a batch. When the data key is forgotten the truck cannot open the file any more.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud_sync.batch import BatchName, BatchSource, check_stream, data_prefix, epoch_of
from cloud_sync.beat import Beat, sign_beat
from cloud_sync.keyring import Recipient
from cloud_sync.keyset import keyset_key
from cloud_sync.lock import hold_lock
from cloud_sync.manifest import NO_PREVIOUS, sign_manifest
from cloud_sync.outbox import SPOOL_LIMIT, Entry, Outbox
from cloud_sync.recipients import InForce, Recipients, named_one_by_one
from cloud_sync.rider_keys import RiderKeys
from cloud_sync.sealed_parquet import holds_rows, is_same, read_sealed, write_sealed
from hardware import keys
from hardware.errors import Damaged, Misconfigured, Unavailable
from hardware.signing import SigningKey

BYTES_MAX = 1 << 20
ROWS_MAX = 50_000
_FIRST_BYTES_PER_ROW = 40.0
AGE_MAX_S = 5.0
BIOMETRICS_AGE_MAX_S = 30.0  # nobody waits for them, and small batches are mostly riders' tags
BEAT_S = 30.0
BEAT_LIFE_S = 300.0
SPOOL_BYTES_MAX = 8 << 30
EPOCHS_MAX = 9  # a store that takes every place we choose cannot make us send all rows for ever
_TEMPORARY = ".sealing.tmp"


class Sealer:
    """Seals one stream of a store into a spool folder.

    Args:
        spool: Folder of the outbox and the sealed files; one sealing process a stream.
        stream: Name of truck and epoch; where its place in the remote is taken, `.e1` and so on
            is put behind it, and all rows are sealed anew under that name.
        signing_key: The truck's.
        recipients: Two or more who may open the batches, so that one lost key loses nothing.
        riders_of: Gives the riders' keys of a stream, for one of biometrics.
        age_s_max: How long rows may be pending.
        spool_bytes_max: Sealing stops when the spool holds so much; the rows stay in the store.

    Raises:
        Misconfigured, Locked: when the spool cannot be used, or recipients are too few.
    """

    def __init__(
        self,
        spool: Path,
        stream: str,
        signing_key: SigningKey,
        recipients: Sequence[Recipient] | Recipients,
        riders_of: Callable[[str], RiderKeys] | None = None,
        age_s_max: float = AGE_MAX_S,
        spool_bytes_max: int = SPOOL_BYTES_MAX,
    ) -> None:
        if not callable(recipients):
            recipients = named_one_by_one(recipients)
        recipients()  # refuses what cannot be sealed to before anything is held
        self._spool, self._base = spool, check_stream(stream)
        self._key, self._recipients = signing_key, recipients
        self._riders_of, self._age_s_max = riders_of, age_s_max
        self._spool_bytes_max = spool_bytes_max
        self._beat_due_s = -math.inf
        self._status: dict[str, Any] = {"error": "", "forked": ""}
        self._held = ExitStack()
        sealing = f"sealing {stream} into {spool}"
        self._held.enter_context(hold_lock(spool / f"{stream}.lock", sealing))
        with self._held:  # let go again if the rest fails
            self._outbox = self._held.enter_context(Outbox(spool, create=True))
            self._outbox.note(SPOOL_LIMIT, str(spool_bytes_max))
            self._begin_epoch()
            self._held = self._held.pop_all()
        self._due_from_s: float | None = None

    def seal_due(self, source: BatchSource, now_s: float, *, flush: bool = False) -> int:
        """Seal as many batches as are due, and return how many.

        Due is a batch of about 1 MiB, as the rows before compressed; with `flush`, or
        `age_s_max` after the last sealing, whatever is pending.

        A beat is signed too, when one is due.

        Raises:
            Damaged: when the source lost rows, or a file does not hold what was sealed into it;
                when rows were lost the next call begins an epoch.
            Unavailable: when the spool is full; nothing is lost, call again.
        """
        if self._due_from_s is None:
            self._due_from_s = now_s
        tail_too = flush or now_s - self._due_from_s >= self._age_s_max
        try:
            if self._outbox.streams()[self._stream].closed:
                self._begin_epoch()
            try:
                sealed = self._seal_due(source, now_s, tail_too)
            finally:
                self._beat(now_s)
        except (Damaged, Unavailable, Misconfigured) as error:
            self._status["error"] = str(error)
            raise
        self._status["error"] = ""
        return sealed

    def status(self) -> dict[str, Any]:
        """Rows and batches sealed so far, rows pending at the last look, the last error."""
        head = self._head
        return {
            "stream": self._stream,
            "batches": head.batch.seq + 1 if head else 0,
            "rows": head.hi if head else 0,
            "head": head.digest if head else None,
            **self._status,
        }

    def close(self) -> None:
        """Let go of the spool."""
        self._held.close()

    def beats(self) -> list[tuple[str, bytes]]:
        """The newest signed beat of this stream, by its name; none before its first batch."""
        beats = self._outbox.beats()
        return [(b.batch.stream, b.envelope) for b in beats if b.batch.stream == self._stream]

    def _begin_epoch(self) -> None:
        """Take up the stream of the first name that is not closed."""
        stream, known = self._outbox.epoch_in_force(self._base), self._outbox.streams()
        closed = [known[name].closed for name in self._epochs_before(stream)]
        self._status["forked"] = f"now {stream}, because {closed[-1]}" if closed else ""
        if len(closed) > EPOCHS_MAX:
            raise Damaged(
                f"{len(closed)} epochs of {self._base} met a taken place in the remote: no more"
                f" are begun by themselves. The last: {closed[-1]}"
            )
        self._outbox.begin_stream(stream, self._key.public)
        self._stream, self._data = stream, self._spool / data_prefix(stream)
        self._sweep()
        self._head = self._outbox.head(stream)
        self._bytes_per_row = _FIRST_BYTES_PER_ROW
        self._riders = self._riders_of(stream) if self._riders_of else None
        self._keyset: int | None = None

    def _epochs_before(self, stream: str) -> list[str]:
        names, epoch = [], 0
        while (name := epoch_of(self._base, epoch)) != stream:
            names.append(name)
            epoch += 1
        return names

    def _beat(self, now_s: float) -> None:
        """Sign where the stream stands, every BEAT_S."""
        if self._head is None or now_s < self._beat_due_s:
            return
        head = self._head.batch
        said = (head.stream, head.seq, self._head.digest, self._head.hi)
        beat = sign_beat(Beat(*said, now_s, now_s + BEAT_LIFE_S), self._key)
        self._outbox.put_beat(head.stream, head.seq, beat, now_s)
        self._beat_due_s = now_s + BEAT_S

    def _check_room(self) -> None:
        """Raise Unavailable when the spool holds as much as it may."""
        held = self._outbox.totals()["held_bytes"]
        if held >= self._spool_bytes_max:
            raise Unavailable(
                f"the spool {self._spool} holds {held} bytes of at most {self._spool_bytes_max}:"
                " nothing more is sealed until the cloud has taken some. The rows stay in the"
                " store; bring the link back, or give the spool more room."
            )

    def _seal_due(self, source: BatchSource, now_s: float, tail_too: bool) -> int:
        end = source.row_end()
        lo = self._head.hi if self._head else 0
        if end < lo:
            why = (
                f"stream {self._stream} has sealed {lo} rows and the store holds {end}: its disk"
                " was restored; a new epoch begins (another stream name)"
            )
            self._outbox.close_stream(self._stream, why, now_s)
            raise Damaged(why)
        sealed = 0
        while lo < end:
            hi = lo + min(ROWS_MAX, max(1, int(BYTES_MAX / self._bytes_per_row)))
            if hi > end and not tail_too:
                break
            hi = min(hi, end)
            self._check_room()
            self._seal(source.rows(lo, hi), lo, hi, now_s)
            lo, sealed = hi, sealed + 1
        if sealed:
            self._due_from_s = now_s
        self._status["pending_rows"] = end - lo
        return sealed

    def _seal(self, table: pa.Table, lo: int, hi: int, now_s: float) -> None:
        batch = BatchName(self._stream, self._head.batch.seq + 1 if self._head else 0)
        if not holds_rows(table, lo, hi):
            raise Damaged(f"the store did not hand over rows {lo} to {hi} for batch {batch}")
        to = self._recipients()
        self._lay_out_keyset(to)
        rider_keys: list[str] = []
        if self._riders is not None:
            table, rider_keys = self._riders.seal(table, batch, to)
        data, sha256 = self._write(table, batch, to.recipients)
        manifest, digest = sign_manifest(
            batch,
            prev=self._head.digest if self._head else NO_PREVIOUS,
            rows=(lo, hi),
            sha256=sha256,
            size=len(data),
            recipients=[recipient.key_id for recipient in to.recipients],
            now_s=now_s,
            key=self._key,
            keyset=to.keyset,
            rider_keys=rider_keys,
        )
        entry = Entry(batch, lo, hi, sha256, len(data), manifest, digest, now_s)
        self._outbox.append(entry)
        self._head = entry
        if self._riders is not None:
            self._riders.note_named(rider_keys)
        if len(data) >= BYTES_MAX // 4:  # in small ones footer and envelope outweigh the rows
            self._bytes_per_row = len(data) / (hi - lo)

    def _lay_out_keyset(self, to: InForce) -> None:
        """Lay the key set of the next batch into the spool, for the pusher."""
        if to.keyset is not None and to.keyset != self._keyset:
            keys.write_file(self._spool / keyset_key(self._stream, to.keyset), to.signed, 0o644)
            self._keyset = to.keyset

    def _write(
        self, table: pa.Table, batch: BatchName, recipients: Sequence[Recipient]
    ) -> tuple[bytes, str]:
        """The sealed file, durable under its name; its bytes and their SHA-256."""
        temporary = self._data / _TEMPORARY
        try:
            data_key = write_sealed(table, temporary, batch, recipients)
            data = temporary.read_bytes()
            with ThreadPoolExecutor(2) as beside:  # while the file is opened again
                durable = beside.submit(keys.sync, temporary)
                hashed = beside.submit(hashlib.sha256, data)
                whole = is_same(read_sealed(data, batch, lambda _: data_key), table)
                sha256 = hashed.result().hexdigest()
                durable.result()
            if not whole:
                raise Damaged(f"batch {batch} does not open as it was sealed; is the memory sound?")
            temporary.replace(self._spool / batch.object_key(sha256))
            keys.sync(self._data)
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(
                f"cannot seal into {self._spool}: {error}. The rows stay in the store; free some"
                " space."
            ) from error
        return data, sha256

    def _sweep(self) -> None:
        """Remove what a kill left between a file and its outbox row."""
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            known = self._outbox.keys(self._stream)
            for path in self._data.iterdir():
                if data_prefix(self._stream) + path.name not in known:
                    path.unlink()
        except OSError as error:
            raise Misconfigured(
                f"cannot write {self._data}: {error.strerror}",
                "Choose a spool folder this user may write.",
            ) from error
