"""A truck's cloud copy with readings and biometrics, and the keys of all who may open it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from body_rows import BodyRows
from odd_rows import OddRows

from cloud_sync.cloud_copy import Access, CloudCopy
from cloud_sync.keyring import create_key
from cloud_sync.outbox import Outbox
from cloud_sync.push import Orders, Pusher
from cloud_sync.remote import open_remote
from hardware import keys
from hardware.clock import Clock
from hardware.signing import SigningKey

STREAM, BIO = "truck-1", "truck-1.bio"


@dataclass
class Desk:
    """One folder of keys, a spool, and a remote."""

    folder: Path
    url: str
    truck: SigningKey = field(default_factory=lambda: SigningKey(bytes(range(32))))
    cloud: SigningKey = field(default_factory=lambda: SigningKey(b"c" * 32))
    rows: int = 0

    def __post_init__(self) -> None:
        for name in ("operations", "medical", "recovery", "newcomer"):
            if not self.path(f"{name}.key").exists():
                create_key(self.path(name))
        keys.write_key(self.path("cloud.key"), self.cloud.seed)
        keys.write_key(self.path("cloud.pub"), self.cloud.public)

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def seal(self, rows: int, access: Access | None = None) -> None:
        """One further batch of each stream."""
        self.rows += rows
        if access is None:
            pubs = {n: self.path(f"{n}.pub") for n in ("operations", "medical", "recovery")}
            access = Access(
                [pubs["operations"], pubs["recovery"]], [pubs["medical"], pubs["recovery"]]
            )
        copy = CloudCopy(
            self.spool, STREAM, self.truck, b"stick", access, OddRows(self.rows),
            BodyRows(self.rows),
        )  # fmt: skip
        for turn in copy.turns:
            turn(1_800_000_000.0, True)
        copy.close()

    def push(self) -> None:
        with Outbox(self.spool) as outbox:
            Pusher(
                self.spool, outbox, open_remote(self.url), Clock(), threading.Event(),
                lambda _: None, Orders(),
            ).push()  # fmt: skip

    def trust(self) -> list[str]:
        return ["--truck", self.truck.public.hex(), "--cloud", self.cloud.public.hex()]

    def key(self, name: str) -> list[str]:
        return ["--key", str(self.path(f"{name}.key"))]

    def erase(self, rider: int = 7) -> list[str]:
        return [
            "erase", self.url, "--stream", STREAM, "--rider", str(rider), "--by", "A. Doctor",
            "--reason", "asked for", "--sign", str(self.path("cloud.key")), *self.key("medical"),
        ]  # fmt: skip
