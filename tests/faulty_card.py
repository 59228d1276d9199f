"""A card that fails as real ones do: it flips bits, is pulled out, wears out, or is locked.

What was written and not yet synced lies in the card's own memory; when the card is pulled out, some
sectors of it have reached the medium and others have not, in any order.
"""

import errno
import random

SECTOR = 512


class FaultyCard:
    """A `hardware.card.Block` over a `bytearray`, with at most one kind of fault.

    Args:
        medium: its bytes, shared: a card put back in is a new one over the same medium.
        pull_at: after so many sectors have been written or synced it is gone.
        stuck: a bit (offset, mask) that keeps the value 1 whatever is written.
        flips_read: the first read that covers this offset gets a bit of it flipped.
        locked: every write is refused.
    """

    def __init__(
        self,
        medium: bytearray,
        *,
        seed: int = 0,
        pull_at: int | None = None,
        stuck: tuple[int, int] | None = None,
        flips_read: int | None = None,
        locked: bool = False,
    ) -> None:
        self.medium = medium
        self.size_bytes = len(medium)
        self.steps = 0
        self._cached: dict[int, bytes] = {}
        self._draw = random.Random(seed)
        self._pull_at = pull_at
        self._stuck = stuck
        self._flips_read = flips_read
        self._locked = locked
        self._gone = False

    def read(self, offset: int, size: int) -> bytes:
        self._there()
        found = bytearray(self.medium[offset : offset + size])
        if len(found) < size:
            raise OSError(errno.EIO, "Input/output error")
        at = self._flips_read
        if at is not None and offset <= at < offset + size:
            found[at - offset] ^= 1 << self._draw.randrange(8)
            self._flips_read = None
        return bytes(found)

    def write(self, offset: int, data: bytes) -> None:
        self._there()
        if self._locked:
            raise OSError(errno.EROFS, "Read-only file system")
        if offset % SECTOR or len(data) % SECTOR or offset + len(data) > self.size_bytes:
            raise OSError(errno.EINVAL, "Invalid argument")
        for at in range(0, len(data), SECTOR):
            self._step()
            self._cached[offset + at] = data[at : at + SECTOR]

    def sync(self) -> None:
        self._there()
        for offset in self._draw.sample(sorted(self._cached), len(self._cached)):
            self._step()
            self._reach(offset)

    def _reach(self, offset: int) -> None:
        self.medium[offset : offset + SECTOR] = self._cached.pop(offset)
        if self._stuck is not None and offset <= self._stuck[0] < offset + SECTOR:
            self.medium[self._stuck[0]] |= self._stuck[1]

    def _step(self) -> None:
        if self._pull_at is not None and self.steps >= self._pull_at:
            for offset in list(self._cached):
                if self._draw.random() < 0.5:
                    self._reach(offset)
            self._gone = True
        self._there()
        self.steps += 1

    def _there(self) -> None:
        if self._gone:
            raise OSError(errno.ENODEV, "No such device")
