"""Where content is kept: one line a step, the last step of an item holds; photos beside it.

HOME/content/items.jsonl   each line an item as it was from then on, fsynced before it counts
HOME/content/media/        photos made anew, named by their own hash
"""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

from hardware import home
from hardware.errors import Damaged, Misconfigured
from hardware.keys import sync, write_file
from truck.content.item import REJECTED, SHOWN, WAITING, Item, check_item, item_of
from truck.content.photo import Photo

ITEMS_MAX = 5000  # a stage's; who floods is stopped before the disk is


class Gallery:
    """A truck's content; the running truck and `truck content` may both use it."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before something is added."""
        self._folder = folder
        self._lock = threading.Lock()
        self._read_to = 0
        self._items: dict[int, Item] = {}

    @property
    def media(self) -> Path:
        """The folder of photos."""
        return self._folder / "media"

    def items(self) -> list[Item]:
        """Every item as it is now, by its place in time.

        Raises:
            Damaged: a line that is none; the torn end of a killed writer is left out.
        """
        with self._lock:
            self._catch_up()
            return sorted(self._items.values(), key=lambda one: (one.at_s, one.item_id))

    def shown(self) -> list[Item]:
        """What the public may see."""
        return [item for item in self.items() if item.state == SHOWN]

    def add(self, item: Item, photo: Photo | None, *, at_once: bool) -> Item:
        """Keep a new item; it waits for moderation unless its adder may let it through.

        Raises:
            Misconfigured: a field is wrong, there is too much already, or the disk is full.
        """
        if photo is not None:
            write_file(self.media / photo.name, photo.data, 0o644)
            item = replace(item, media=photo.name)
        checked = check_item(item)
        with self._writing():
            self._catch_up()
            if len(self._items) >= ITEMS_MAX:
                raise Misconfigured(
                    f"there are {ITEMS_MAX} items already", "Begin a new folder for the next stage."
                )
            number = max(self._items, default=0) + 1
            decided = checked.added_by if at_once else ""
            state = SHOWN if at_once else WAITING
            kept = replace(checked, item_id=number, state=state, decided_by=decided)
            self._append(kept)
        return kept

    def decide(self, item_id: int, by: str, *, show: bool) -> Item:
        """Let an item through, or take it away; a photo taken away is no longer served.

        Raises:
            Misconfigured: there is no such item.
        """
        with self._writing():
            self._catch_up()
            if item_id not in self._items:
                raise Misconfigured(f"there is no item {item_id}", "See `truck content list`.")
            state = SHOWN if show else REJECTED
            kept = replace(self._items[item_id], state=state, decided_by=by)
            self._append(kept)
        return kept

    def photo(self, name: str) -> bytes | None:
        """A photo that is shown; None for any other name."""
        if name not in {item.media for item in self.shown() if item.media}:
            return None
        try:
            return (self.media / name).read_bytes()
        except OSError:
            return None

    def _writing(self) -> "_Writing":
        return _Writing(self._folder, self._lock)

    def _append(self, item: Item) -> None:
        path = self._folder / "items.jsonl"
        line = json.dumps(item.document(), ensure_ascii=True).encode() + b"\n"
        try:
            with path.open("ab") as file:
                if file.tell() > self._read_to:  # a torn end: its item was never said to be kept
                    file.truncate(self._read_to)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            sync(self._folder)
        except OSError as error:
            raise Misconfigured(f"cannot keep it: {error.strerror}", "Free some space.") from error
        self._catch_up()

    def _catch_up(self) -> None:
        """Take in whole lines written since, by whoever wrote them."""
        path = self._folder / "items.jsonl"
        try:
            with path.open("rb") as file:
                file.seek(self._read_to)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                item = item_of(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise Damaged(
                    f"{path} holds a line that is no item; move it aside to begin anew"
                ) from error
            self._items[item.item_id] = item
        self._read_to += len(whole)


class _Writing:
    """One writer at a time: threads by a lock, processes by a lock file."""

    def __init__(self, folder: Path, lock: threading.Lock) -> None:
        self._folder, self._lock = folder, lock
        self._descriptor = -1

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = home.take_lock(self._folder / "lock", "somebody else is adding now")
        except OSError as error:
            self._lock.release()
            raise Misconfigured(f"cannot write {self._folder}", "Check its owner.") from error
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        self._lock.release()
