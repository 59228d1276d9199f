"""First boot: from what a card carries to a relay that may run. Old or new, never half.

    HOME/credentials/<token>/    relay.key, tls.key   made here, and never leave this node
                                 request.json         what we ask with them
                                 answer.json          what the authority answered, proven
                                 ca.crt tls.crt authority.pub roster.json
                                 node.json            the card's configuration, once it was laid
    HOME/slots/offered.json      that configuration, for `relay run` to try
    HOME/relay.toml              names the credentials: written last, and until then nothing counts

<token> is the beginning of its public half: a card that is flashed again brings another, and until
its relay.toml is written the relay runs as before. Every step is a whole file and is passed over
where it is done, so this may be killed anywhere and run at each boot. The token stays on the card,
which is read-only and is proven by its COMMIT; it is spent once the authority has answered.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hardware import home, keys
from hardware.ca import key_pem, new_tls_key
from hardware.enrolment import (
    NONCE_BYTES,
    RelayRequest,
    make_relay_request,
    open_relay_request,
    token_public,
)
from hardware.enrolment_answer import Answer, open_answer
from hardware.errors import Damaged, Misconfigured, TruckError
from hardware.node import Node, open_node
from hardware.roster import open_roster
from hardware.seed import Seed
from hardware.signing import SigningKey
from relay.config import RelayIdentity
from relay.slots import lay_first


@dataclass(frozen=True)
class Candidate:
    """A node that was started from a card: its folder, its configuration and its request."""

    home: Path
    folder: Path
    seed: Seed
    node: Node
    request: bytes

    @property
    def asked(self) -> RelayRequest:
        """What the request says."""
        return open_relay_request(self.request)

    @property
    def request_file(self) -> Path:
        """Where the request lies for a stick, where there is no network."""
        return self.home / f"{self.seed.name}.request.json"

    def answer(self) -> Answer | None:
        """The answer that is kept already, if it holds."""
        with contextlib.suppress(TruckError, OSError):
            return self.prove((self.folder / "answer.json").read_bytes())
        return None

    def prove(self, envelope: bytes) -> Answer:
        """An answer, proven to be for this node by what the card carries.

        Raises:
            AnswerRefused: it is not.
        """
        ca_pem = self.seed.ca_certificate.decode(errors="replace")
        return open_answer(envelope, self.asked, ca_pem, self.seed.authority_public)[0]

    def is_settled(self) -> bool:
        """Whether `settle` has nothing left to do."""
        answer = self.answer()
        if answer is None or not _holds(self.folder / "node.json", self.seed.node):
            return False
        files = self._files(answer).items()
        if not all(_holds(self.folder / name, data) for name, data in files):
            return False
        try:
            keys.Credentials(self.folder).roster()
            identity = home.load_settings(RelayIdentity, self.home / "relay.toml", {})
        except TruckError:
            return False
        return (identity.name, identity.credentials) == (self.seed.name, self.folder)

    def settle(self, envelope: bytes) -> None:
        """Keep a proven answer and make the home a relay's; the settings file comes last.

        Raises:
            AnswerRefused: it is not for this node; nothing is changed.
            Misconfigured: the home cannot be written.
        """
        answer = self.prove(envelope)
        _keep(self.folder / "answer.json", envelope, 0o600)
        for name, data in self._files(answer).items():
            _keep(self.folder / name, data, 0o644)
        self._keep_roster(answer.roster.encode())
        if not _holds(self.folder / "node.json", self.seed.node):
            lay_first(self.home, self.seed.node)
        home.save_settings(
            RelayIdentity, self.home / "relay.toml",
            {"name": self.seed.name, "credentials": self.folder},
        )  # fmt: skip
        _keep(self.folder / "node.json", self.seed.node, 0o644)
        self.request_file.unlink(missing_ok=True)

    def _files(self, answer: Answer) -> dict[str, bytes]:
        return {
            "ca.crt": answer.ca.encode(),
            "tls.crt": answer.certificate.encode(),
            "authority.pub": self.seed.authority_public.hex().encode() + b"\n",
        }

    def _keep_roster(self, signed: bytes) -> None:
        """The answer's roster, unless a newer one has come since."""
        public = self.seed.authority_public
        offered = open_roster(signed, public)
        with contextlib.suppress(TruckError):
            held = open_roster(keys.Credentials(self.folder).roster_bytes(), public)
            if held.version >= offered.version:
                return
        keys.write_file(self.folder / "roster.json", signed, 0o644)


def stand(at: Path, seed: Seed) -> Candidate:
    """Make the keys and the request that a card's node needs, or take those that are there.

    Raises:
        Refused: the card's configuration or roster is not this authority's, or for another node.
        Damaged: the keys that are there are damaged.
        Misconfigured: the home cannot be written.
    """
    node = open_node(seed.node, seed.authority_public, seed.event, seed.name, seed.serial)
    roster = open_roster(seed.roster, seed.authority_public)
    if roster.event != seed.event:
        raise Damaged(f"the card's roster is of {roster.event!r}, not {seed.event!r}")
    at = at.absolute()
    folder = at / "credentials" / token_public(seed.token).hex()[:16]
    key, tls_key = _signing_key(folder / "relay.key"), _tls_key(folder / "tls.key")
    path = folder / "request.json"
    request = path.read_bytes() if path.exists() else b""
    if not _is_ours(request, key, tls_key):
        request = make_relay_request(
            event=seed.event, name=seed.name, serial=seed.serial, key=key, tls_key=tls_key,
            token=seed.token, nonce=keys.new_secret()[:NONCE_BYTES],
        )  # fmt: skip
        keys.write_file(path, request)
    return Candidate(at, folder, seed, node, request)


def _signing_key(path: Path) -> SigningKey:
    if not path.exists():
        keys.write_key(path, keys.new_secret())
    try:
        return SigningKey(keys.read_key(path, "relay signing key"))
    except Misconfigured as error:
        raise _damaged(path) from error


def _tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        keys.write_file(path, key_pem(new_tls_key()))
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _damaged(path)
    return key


def _damaged(path: Path) -> Damaged:
    return Damaged(f"{path} is damaged; flash the card again, which makes this node new keys")


def _is_ours(request: bytes, key: SigningKey, tls_key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        asked = open_relay_request(request)
    except TruckError:
        return False
    return asked.sign_public == key.public and asked.tls_public == tls_key.public_key()


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _keep(path: Path, data: bytes, mode: int) -> None:
    if not _holds(path, data):
        keys.write_file(path, data, mode)
