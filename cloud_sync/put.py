"""Putting: one object into the remote, proven by reading it back.

Whatever a put answered, or whether its answer was lost, the key is read back: the same bytes is
success, other bytes is a fork, nothing is a retry with the same bytes. So an object is sent again
only when it is known not to be there.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from cloud_sync.manifest import open_manifest
from cloud_sync.remote import AlreadyThere, NotThere, Remote
from hardware import clock
from hardware.errors import Damaged, Refused, TruckError, Unavailable

_ATTEMPTS = 3
_PAUSE_S = 0.1


class Forked(Damaged):
    """A key of ours holds other bytes than ours, for good; `served` are these."""

    def __init__(self, what: str, served: bytes) -> None:
        super().__init__(
            f"{what}; nothing of it can be mended there, begin a new epoch (another stream name)"
        )
        self.served = served


def put_proven(
    remote: Remote,
    key: str,
    data: bytes,
    *,
    perhaps_there: bool = False,
    slot: AbstractContextManager[object] | None = None,
    pause: Callable[[float], object] = clock.sleep_s,
) -> None:
    """Store `data` under `key` and see it there; with `perhaps_there` look before sending.

    `slot` is held while it is sent, and not while it is read back: the link's two ways are two.

    Raises:
        Unavailable: when it is not there yet; try again with the same bytes.
        Forked: when the key holds other bytes.
    """
    if perhaps_there and _is_there(remote, key, data):
        return
    for attempt in range(_ATTEMPTS):
        lost: TruckError | None = None
        try:
            with slot or nullcontext():
                remote.put_new(key, data)
        except AlreadyThere:
            pass  # ours, its answer lost, or another's: the bytes will tell
        except Unavailable as error:
            lost = error
        if _is_there(remote, key, data):
            return
        if attempt < _ATTEMPTS - 1:
            pause(_PAUSE_S * 4**attempt)
    raise lost or Unavailable(f"{remote.name}/{key} was stored and is not there")


def _is_there(remote: Remote, key: str, data: bytes) -> bool:
    try:
        served = remote.get(key, len(data))
    except NotThere:
        return False
    if served == data:
        return True
    place = f"{remote.name}/{key}"
    if not served:
        raise Forked(f"{place} is empty: somebody stored an empty object there", served)
    if data.startswith(served):
        raise Forked(f"{place} is cut short after {len(served)} bytes", served)
    raise Forked(f"{place} holds other bytes than ours", served)


def name_fork(fork: Forked, truck: bytes) -> str:
    """Who wrote what stands in our manifest's place: this truck before, or somebody else."""
    try:
        theirs = open_manifest(fork.served, truck)
    except Refused:
        return f"{fork}. The truck did not sign what is there: somebody squats on our next number"
    return (
        f"{fork}. The truck signed what is there, with {theirs.hi} rows: its disk was restored to"
        " an earlier day, or a second truck has its key"
    )
