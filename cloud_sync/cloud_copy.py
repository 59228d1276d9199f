"""The cloud copy of one truck: its readings and its biometrics, each sealed for its recipients."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_sync.batch import BatchSource, biometrics_of, ledger_of
from cloud_sync.keyring import read_truck_public
from cloud_sync.keyset import Kind
from cloud_sync.recipients import KeySetFile, Recipients, read_recipients
from cloud_sync.replicate import BIOMETRICS_AGE_MAX_S, Sealer
from cloud_sync.rider_keys import RiderKeys
from hardware.signing import SigningKey


@dataclass(frozen=True)
class Access:
    """Who may open the copy: .pub files one by one, or a key set and the public key of its root."""

    recipients: Sequence[Path] = ()
    bio_recipients: Sequence[Path] = ()
    keyset: Path | None = None
    keyset_root: str | None = None


class CloudCopy:
    """The sealers of a truck's streams; what nobody may open is not sealed.

    Args:
        spool: folder of the outbox.
        stream: name of truck and epoch.
        signing_key: the truck's.
        secret: of the truck's credentials, for what must lie in the spool.
        access: who may open what.
        readings: where readings come from.
        biometrics: where biometrics come from, by the same row ids.

    Raises:
        Misconfigured, Locked: when a key cannot be read, or the spool not be used.
    """

    def __init__(
        self,
        spool: Path,
        stream: str,
        signing_key: SigningKey,
        secret: bytes,
        access: Access,
        readings: BatchSource,
        biometrics: BatchSource,
    ) -> None:
        self._held = ExitStack()
        self._keyset: KeySetFile | None = None
        self._sealers: list[Sealer] = []
        self.turns: list[Callable[[float, bool], int]] = []
        self.ledger: Sealer | None = None
        """Of the stream that says how complete the readings are; the truck gives it its rows."""
        to, bio_to = self._recipients(spool, access)
        with self._held:  # let go again if the rest fails
            if to is not None:
                self._add(Sealer(spool, stream, signing_key, to), readings)
                self.ledger = Sealer(spool, ledger_of(stream), signing_key, to)
                self._held.callback(self.ledger.close)
            if bio_to is not None:
                bio = biometrics_of(stream)
                sealer = Sealer(
                    spool, bio, signing_key, bio_to, lambda name: RiderKeys(spool, name, secret),
                    BIOMETRICS_AGE_MAX_S,
                )  # fmt: skip
                self._add(sealer, biometrics)
            self._held = self._held.pop_all()

    def heads(self) -> dict[str, bytes]:
        """The newest signed beat of each stream."""
        return {stream: beat for sealer in self._sealers for stream, beat in sealer.beats()}

    @property
    def forked(self) -> str:
        """Why streams had to begin an epoch, or nothing."""
        return "; ".join(s["forked"] for s in self.status() if s["forked"])

    def status(self) -> list[dict[str, Any]]:
        """What each sealer says of its stream."""
        return [sealer.status() for sealer in self._sealers]

    @property
    def problem(self) -> str:
        """Why the key set in its file is not the one sealed by, or nothing."""
        return self._keyset.problem if self._keyset else ""

    def close(self) -> None:
        """Let go of the spool."""
        self._held.close()

    def _recipients(
        self, spool: Path, access: Access
    ) -> tuple[Recipients | None, Recipients | None]:
        if access.keyset is None or access.keyset_root is None:
            return read_recipients(access.recipients), read_recipients(access.bio_recipients)
        self._keyset = KeySetFile(access.keyset, read_truck_public(access.keyset_root), spool)
        has_bio = self._keyset.names_any(Kind.BIOMETRICS)
        bio_to = self._keyset.of(Kind.BIOMETRICS) if has_bio else None
        return self._keyset.of(Kind.READINGS), bio_to

    def _add(self, sealer: Sealer, source: BatchSource) -> None:
        self._held.callback(sealer.close)
        self._sealers.append(sealer)
        self.turns.append(lambda now_s, flush: sealer.seal_due(source, now_s, flush=flush))
