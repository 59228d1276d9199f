"""The doctor: whether a bucket and prefix can hold a truck's batches, tried on the real one.

It writes a few tiny objects under doctor/<trial>/ and asks for no right to delete them: a truck
that could delete could be made to. What it proves is what the commit rests on: of eight writers to
one key one wins, and the store keeps his bytes against all who come later.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloud_sync.remote import DOCTOR, AlreadyThere, NotThere, Remote, open_remote
from hardware.clock import Clock
from hardware.errors import Damaged, Exit, Misconfigured, TruckError, Unavailable

WRITERS = 8
ROUNDS = 4
SKEW_MAX_S = 30.0
_OTHER_STORE = (
    "Use a store that honours create-only (S3's If-None-Match, Azure's, GCS's generation match):"
    " over this one two trucks, or one with a restored disk, would overwrite what was committed."
)


@dataclass(frozen=True)
class Check:
    """One thing that was tried: whether it held, what was seen, and what to try if it did not."""

    name: str
    why: str
    is_ok: bool
    seen: str
    cure: str = ""
    exit_code: Exit = Exit.OK


def examine(url: str, trial: str, clock: Clock) -> Iterator[Check]:
    """Each check as it is done; the first that fails is the last, for the others rest on it.

    Args:
        url: The remote's address.
        trial: A name nobody has used below doctor/ yet.
        clock: Ours, to hold against the store's.
    """
    opened: list[Remote] = []
    place = f"{DOCTOR}/{trial}"
    steps: list[tuple[str, str, Callable[[], str]]] = [
        ("address", "the address and its credentials must be set", lambda: _open(opened, url)),
        ("create", "each batch is a new object", lambda: _create(opened[0], place)),
        ("read back", "nothing counts until it was read back", lambda: _read(opened[0], place)),
        ("missing", "what is not there must say so", lambda: _miss(opened[0], place)),
        ("list", "a restored disk is known by the list", lambda: _list(opened[0], place)),
        (
            "create-only",
            "a committed batch must never be overwritten",
            lambda: _race_all(opened[0], place),
        ),
        (
            "clock",
            "a skewed clock is refused by stores, and makes beats expire",
            lambda: _compare_clocks(opened[0], place, clock),
        ),
    ]
    for name, why, step in steps:
        try:
            yield Check(name, why, is_ok=True, seen=step())
        except TruckError as error:
            what, cure = str(error), getattr(error, "hint", "")
            seen = what.removesuffix(cure).strip()
            yield Check(name, why, False, seen, cure or _cure(error), error.exit_code)
            return


def _cure(error: TruckError) -> str:
    if isinstance(error, Unavailable):
        return "Check the network, the endpoint and the store's own state, and try again."
    return "Do not use this store: it gives back other bytes than it was given."


def _open(opened: list[Remote], url: str) -> str:
    opened.append(open_remote(url))
    return opened[0].name


def _create(remote: Remote, place: str) -> str:
    remote.put_new(f"{place}/first", b"first")
    remote.put_new(f"{place}/second", b"second")
    return f"two objects below {place}/"


def _read(remote: Remote, place: str) -> str:
    for word in ("first", "second"):
        if remote.get(f"{place}/{word}", 100) != word.encode():
            raise Damaged(f"{remote.name}/{place}/{word} gives back other bytes than it was given")
    return "the bytes that were stored"


def _miss(remote: Remote, place: str) -> str:
    try:
        remote.get(f"{place}/none", 100)
    except NotThere:
        return "a key without an object is told apart"
    raise Damaged(f"{remote.name}/{place}/none was never stored and gives bytes")


def _list(remote: Remote, place: str) -> str:
    wanted, listed = [f"{place}/first", f"{place}/second"], remote.keys(f"{place}/")
    if listed != wanted:
        raise Damaged(f"the list of {remote.name}/{place}/ is {listed}, not {wanted}")
    return "what was stored, at once"


def _race_all(remote: Remote, place: str) -> str:
    for number in range(ROUNDS):
        _race(remote, f"{place}/race-{number}")
    return f"one winner of {WRITERS} in {ROUNDS} races, and nobody after him"


def _race(remote: Remote, key: str) -> None:
    """Raise unless of all writers one wins, his bytes stay, and a later one is refused."""
    wins: list[bytes] = []
    errors: list[TruckError] = []
    start = threading.Barrier(WRITERS)

    def write(data: bytes) -> None:
        start.wait()
        try:
            remote.put_new(key, data)
        except AlreadyThere:
            return
        except TruckError as error:
            errors.append(error)
        else:
            wins.append(data)

    writers = [threading.Thread(target=write, args=(f"{n}".encode(),)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if len(wins) > 1:
        raise Misconfigured(
            f"{remote.name} let {len(wins)} of {WRITERS} writers create one key", _OTHER_STORE
        )
    if errors and not wins:  # its answer may have been lost; then the key is there all the same
        raise errors[0]
    try:
        remote.put_new(key, b"late")
    except AlreadyThere:
        pass
    else:
        raise Misconfigured(f"{remote.name} let a key be created twice", _OTHER_STORE)
    if remote.get(key, 100) not in (wins or [f"{n}".encode() for n in range(WRITERS)]):
        raise Misconfigured(f"{remote.name} lost the bytes of the first writer", _OTHER_STORE)


def _compare_clocks(remote: Remote, place: str, clock: Clock) -> str:
    before_s = clock.now_s()
    remote.put_new(f"{place}/clock", b"now")
    after_s = clock.now_s()
    stored_s = remote.stored_at_s(f"{place}/clock")
    # stores stamp in whole seconds
    ahead_s = max(before_s - 1.0 - stored_s, 0.0) or min(after_s + 1.0 - stored_s, 0.0)
    if abs(ahead_s) > SKEW_MAX_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        raise Misconfigured(
            f"our clock is {abs(ahead_s):.0f} s {way} the clock of {remote.name}",
            "Set this machine's clock: `timedatectl` says whether it is kept by NTP or GNSS.",
        )
    return f"within {abs(ahead_s) + 1.0:.0f} s of the store's"
