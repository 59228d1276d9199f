"""The relays as nodes: what each says of itself, the truck's answer, and their configurations.

A heartbeat that a relay of the roster signed, newer than its last, is shown and answered with a
signed `Seen`; on that a relay ends a trial. HOME/nodes/<relay>.json are signed configurations,
which the broker keeps for each relay; one that is not whole or not for that name is an alarm.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware import keys, topics
from hardware.clock import Clock
from hardware.errors import Misconfigured, Reason, Refused
from hardware.heartbeat import Heartbeat, Seen, decode_heartbeat, encode_seen
from hardware.node import config_digest, open_node, read_node
from hardware.roster import Roster
from hardware.signing import SigningKey
from truck.alarms import Alarms
from truck.custody import Custody
from truck.intake import Intake

_WAITING_MAX = 1024


class Nodes:
    """Takes heartbeats on the network's thread, and answers them in `turn`, on one of ours."""

    def __init__(
        self,
        folder: Path,
        roster: Callable[[], Roster],
        authority_public: bytes,
        key: SigningKey,
        intake: Intake,
        alarms: Alarms,
    ) -> None:
        """Prepare; `folder` is where configurations are laid."""
        self._folder, self._roster, self._authority = folder, roster, authority_public
        self._key, self._intake, self._alarms = key, intake, alarms
        self._arrived: deque[tuple[str, bytes, int]] = deque(maxlen=_WAITING_MAX)
        self._beats: dict[str, Heartbeat] = {}
        self._ahead_s: dict[str, float] = {}
        self._told: dict[str, bytes] = {}
        self._told_in = 0
        self._lock = threading.Lock()
        self.refused: Counter[str] = Counter()
        """Heartbeats refused, by reason."""

    def arrived(self, topic: str, message: bytes, at_us: int) -> None:
        """A heartbeat came; of more than a turn can hold the oldest are let go."""
        self._arrived.append((topic, message, at_us))

    def turn(self) -> None:
        """Answer what came, and have the broker keep what was laid for relays."""
        for _ in range(len(self._arrived)):
            topic, message, at_us = self._arrived.popleft()
            try:
                self._answer(topic.rpartition("/")[2], message, at_us)
            except Refused as error:
                self.refused[error.reason.value] += 1
        self._tell()

    def rows(self, custody: Custody, clock: Clock) -> list[dict[str, Any]]:
        """Each relay as the status shows it: what came from it, and what it says of itself."""
        now_us = clock.now_us()
        rows = custody.relay_rows(now_us, clock.wall_s)
        return [row | self.row(row["name"], now_us / 1e6) for row in rows]

    def row(self, relay: str, now_s: float) -> dict[str, Any]:
        """What a relay's last heartbeat said; None where it has not said it."""
        with self._lock:
            beat, ahead_s = self._beats.get(relay), self._ahead_s.get(relay)
        wanted = self._told.get(topics.node(relay))
        return {
            "config_digest": beat.digest or None if beat else None,
            "config_version": beat.version or None if beat else None,
            "config_offered": config_digest(wanted) if wanted else None,
            "slot": beat.slot or None if beat else None,
            "on_trial": beat.on_trial if beat else None,
            "clock_ahead_s": ahead_s,
            "roster_version": beat.roster_version if beat else None,
            "certificate_days": _days(beat.certificate_to_s - now_s)
            if beat and beat.certificate_to_s
            else None,
            "spool_share": round(beat.spool_bytes / max(1, beat.spool_bytes_max), 4)
            if beat
            else None,
        }

    def _answer(self, relay: str, message: bytes, at_us: int) -> None:
        roster = self._roster()
        public = roster.relay_key(relay).sign_public
        beat = decode_heartbeat(message, relay, public, roster.event_id)
        last = self._beats.get(relay)
        if last is not None and (beat.boot, beat.number) <= (last.boot, last.number):
            raise Refused(Reason.REPLAY, f"heartbeat {beat.number} of boot {beat.boot}")
        with self._lock:
            self._beats[relay] = beat
            # by the clocks of both and the way between them, so a little less than it truly is
            self._ahead_s[relay] = round((beat.at_us - at_us) / 1e6, 1) + 0.0
        seen = Seen(relay, beat.boot, beat.number, beat.digest)
        self._intake.publish(topics.seen(relay), encode_seen(seen, self._key, roster.event_id))

    def _tell(self) -> None:
        """Publish what is new; after a new connection everything, for the broker keeps no state."""
        if self._told_in != self._intake.connections:
            self._told.clear()
            self._told_in = self._intake.connections
        for path in sorted(self._folder.glob("*.json")):
            about = f"node-{path.stem}"
            try:
                envelope = keys.read_file(path, "configuration")
                open_node(envelope, self._authority, self._roster().event, path.stem)
            except (Refused, Misconfigured) as error:
                self._alarms.set(
                    about, f"{path.name}: {error}", "Sign it again: `hardware config sign`."
                )
                continue
            self._alarms.clear(about)
            topic = topics.node(path.stem)
            if self._told.get(topic) != envelope:
                self._told[topic] = envelope
                self._intake.publish(topic, envelope, retain=True)


def offer(folder: Path, envelope: bytes, authority_public: bytes, event: str) -> str:
    """Lay a configuration where a truck, running or not, takes it; the relay's name.

    Raises:
        Refused: it is not whole, or of another event.
        Misconfigured: the folder cannot be written.
    """
    name = read_node(envelope, authority_public).name
    open_node(envelope, authority_public, event, name)
    keys.write_file(folder / f"{name}.json", envelope, 0o644)
    return name


def _days(span_s: float) -> float:
    return round(span_s / 86400, 1)
