"""The roster a relay goes by: from its credentials folder, and from the truck by the broker.

Both ways it has to be the authority's, of this event and newer. What came by the broker is written
into the folder before it counts, so that a restart does not go back behind a revocation.
"""

from collections import Counter

import structlog

from hardware import keys
from hardware.errors import Misconfigured, Refused, TruckError
from hardware.keys import Credentials
from hardware.roster import Roster, check_newer, open_roster
from relay.radio import Gate
from relay.troubles import Troubles


class RosterWatch:
    """The roster in force, and what was refused in its place, by name."""

    def __init__(
        self, credentials: Credentials, name: str, sign_public: bytes, troubles: Troubles
    ) -> None:
        """Read the folder's roster; `name` and `sign_public` are this relay's own.

        Raises:
            Misconfigured: it does not let this relay speak, or cannot be read.
            Refused: it is not the authority's.
        """
        self._credentials, self._troubles = credentials, troubles
        self._name, self._public = name, sign_public
        self._authority = credentials.authority()
        self._stamp = self._stamp_now()
        self.current = credentials.roster()
        check_enrolled(self.current, name, sign_public)
        self.gate = Gate(self.current)
        """What the radio lets pass; it goes by the roster in force from the moment it is."""
        self.refused: Counter[str] = Counter()
        self.may_speak = True
        """Whether the roster in force still lets this relay speak."""

    def look(self) -> None:
        """Take the folder's roster, if another one was laid there."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            offered = self._credentials.roster()
            check_newer(self.current, offered)
        except TruckError as error:
            self._troubles.set("roster", error)
        else:
            self._take(offered)

    def offer(self, signed: bytes) -> None:
        """Take a roster that the broker brought, if it is newer."""
        try:
            offered = open_roster(signed, self._authority)
            if offered == self.current:
                return
            check_newer(self.current, offered)
        except Refused as error:
            self._refuse(error.reason.value, error)
            return
        except Misconfigured as error:
            same = offered.event == self.current.event
            older = same and offered.version < self.current.version
            self._refuse("older" if older else "fork" if same else "foreign", error)
            return
        try:
            keys.write_file(self._credentials.folder / "roster.json", signed, 0o644)
            self._stamp = self._stamp_now()
        except Misconfigured as error:  # a stick that is read-only: in force until the next start
            self._troubles.set("roster-kept", error)
        else:
            self._troubles.clear("roster-kept")
        self._take(offered)

    def _take(self, offered: Roster) -> None:
        self._troubles.clear("roster")
        if offered == self.current:
            return
        self.current = self.gate.roster = offered
        structlog.get_logger().info("roster taken", version=offered.version)
        try:
            check_enrolled(offered, self._name, self._public)
        except Misconfigured as error:
            self.may_speak = False
            self._troubles.set("enrolment", error)
        else:
            self.may_speak = True
            self._troubles.clear("enrolment")

    def _refuse(self, name: str, error: TruckError) -> None:
        self.refused[name] += 1
        self._troubles.set("roster", error)

    def _stamp_now(self) -> tuple[int, ...]:
        """What changes whenever the roster file does."""
        try:
            found = (self._credentials.folder / "roster.json").stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size


def check_enrolled(roster: Roster, name: str, sign_public: bytes) -> None:
    """Whether a roster lets this relay speak.

    Raises:
        Misconfigured: it does not; what is spooled stays.
    """
    hint = (
        "What is spooled stays; flash a new card for this relay, or fetch the credentials of this "
        "event."
    )
    try:
        enrolled = roster.relay_key(name)
    except Refused as error:
        what = f"relay {name!r} is not in roster version {roster.version} ({error.reason})"
        raise Misconfigured(what, hint) from error
    if enrolled.sign_public != sign_public:
        raise Misconfigured(
            f"relay.key is not the key of relay {name!r} in roster version {roster.version}", hint
        )
