"""Fetching: objects, several at a time and few in memory, each proven against its manifest.

Size, SHA-256 and place need no private key. An object that is another one says so by itself: its
key material names its batch in the clear, so what was swapped is told apart from what was changed.
"""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cloud_sync.batch import data_prefix
from cloud_sync.manifest import Manifest
from cloud_sync.remote import NotThere, Remote
from cloud_sync.tampering import Finding, Tampered, Tampering
from hardware.errors import Damaged

THREADS = 8
_AHEAD = 2 * THREADS  # so that what was fetched waits for its turn, and memory stays bounded
_NAMED_INSIDE = re.compile(rb'"masterKeyID":"([A-Za-z0-9._-]{1,64})/(\d{1,12})"')

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_in_order(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | Finding]]:
    """Each item with what `work` made of it, or what it found wrong, in the items' order.

    `work` runs on several threads, a few items ahead. Errors other than Damaged are raised at
    their item, and what was begun is waited for.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        running: deque[tuple[Item, Future[Result]]] = deque()
        waiting = iter(items)
        try:
            while True:
                while len(running) < _AHEAD and (item := next(waiting, None)) is not None:
                    running.append((item, pool.submit(work, item)))
                if not running:
                    return
                item, future = running.popleft()
                try:
                    result: Result | Finding = future.result()
                except Damaged as error:
                    result = Finding.of(error)
                yield item, result
        finally:
            for _, future in running:
                future.cancel()


def fetch_object(remote: Remote, manifest: Manifest) -> bytes:
    """The object of a manifest, its size and SHA-256 proven.

    Raises:
        Tampered: naming the batch and what is wrong.
    """
    what = f"the object of batch {manifest.batch}"
    try:
        data = remote.get(manifest.key, manifest.size)
    except NotThere as error:
        raise _missing(remote, manifest) from error
    if not data:
        raise Tampered(Tampering.OBJECT_EMPTY, f"{what} has no bytes: {manifest.key}")
    if len(data) == manifest.size and hashlib.sha256(data).hexdigest() == manifest.sha256:
        return data
    inside = _NAMED_INSIDE.search(data)
    if inside is not None and (stream := inside[1].decode()) != manifest.batch.stream:
        raise Tampered(Tampering.OBJECT_OTHER_STREAM, f"{what} is one of another stream, {stream}")
    if inside is not None and (seq := int(inside[2])) != manifest.batch.seq:
        raise Tampered(Tampering.OBJECT_SWAPPED, f"{what} is the one of batch {seq}")
    if len(data) > manifest.size:
        raise Tampered(
            Tampering.OBJECT_LONGER,
            f"{what} is longer than the {manifest.size} bytes its manifest names: {manifest.key}",
        )
    if len(data) < manifest.size:
        raise Tampered(
            Tampering.OBJECT_SHORTER,
            f"{what} is shorter than the {manifest.size} bytes its manifest names: {manifest.key}",
        )
    raise Tampered(
        Tampering.OBJECT_CHANGED,
        f"{what} is not the one its manifest names (SHA-256): {manifest.key}",
    )


def _missing(remote: Remote, manifest: Manifest) -> Tampered:
    """Not there; or there, under a name that nobody asks for."""
    what = f"the object of batch {manifest.batch}"
    name = manifest.sha256[:16]
    for key in remote.keys(data_prefix(manifest.batch.stream)):
        if name in key and key != manifest.key:
            return Tampered(
                Tampering.OBJECT_MISPLACED, f"{what} is missing: it lies under another key, {key}"
            )
    return Tampered(Tampering.OBJECT_MISSING, f"{what} is missing: {manifest.key}")
