"""The truck's broker as the relay sees it: where, how trusted, and a sentence for each refusal."""

import re
import socket
import ssl
from dataclasses import dataclass

from hardware.errors import Misconfigured, TruckError, Unavailable
from hardware.keys import Credentials

_ASK_S = 1.0


@dataclass(frozen=True)
class Broker:
    """Where the broker is, and whether it speaks TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"the broker at {self.host}:{self.port}"

    def unreachable(self, error: OSError | ValueError) -> TruckError:
        """The sentence for a connection that could not be made."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return Misconfigured(
                f"{self} shows a certificate we do not trust: {error.verify_message.rstrip('.')}",
                "Set `broker_host` to a name in it, or fetch the ca.crt of this event.",
            )
        if isinstance(error, ssl.SSLError) and "ALERT" in str(error).upper():
            return self.rejects(str(error))
        if isinstance(error, socket.gaierror):
            return Unavailable(f"the name of {self} cannot be looked up: {error.strerror}")
        return Unavailable(f"{self} cannot be reached: {error}")

    def silence(self, context: ssl.SSLContext) -> TruckError:
        """The sentence for a connection that ended before the broker answered.

        With TLS 1.3 a broker judges our certificate after our side is done, and its alert is lost
        when we have written meanwhile. So it is asked once more, by a connection that only reads.
        """
        try:
            with (
                socket.create_connection((self.host, self.port), _ASK_S) as plain,
                context.wrap_socket(plain, server_hostname=self.host) as wire,
            ):
                wire.recv(1)
        except OSError as error:
            if "ALERT" in str(error).upper():
                return self.rejects(str(error))
        return Unavailable(f"{self} closed the connection before it answered")

    def rejects(self, said: str) -> Misconfigured:
        """The sentence for a TLS alert, which the TLS library's words `said` hold."""
        alert = re.search(r"ALERT_(\w+)", said)
        why = alert[1].lower().replace("_", " ") if alert else said
        return Misconfigured(
            f"{self} rejects our certificate ({why})",
            "Use the credentials that this event's authority made for this relay.",
        )

    def refuses(self, what: str, name: str) -> Misconfigured:
        """The sentence for a "no" of the broker itself, to the client `name`."""
        return Misconfigured(
            f"{self} refused {what}",
            f"Its access list must know {name!r}, the name in our certificate.",
        )


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """TLS 1.3 with our certificate, trusting the event's CA only.

    Raises:
        Misconfigured: when a file is missing or is not what its name says.
    """
    credentials.check_tls()
    authority, certificate, key = credentials.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    hint = "Lay the relay's credentials folder out again, as the authority made it."
    try:
        context.load_verify_locations(authority)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(f"{authority} is no certificate", hint) from error
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise Misconfigured(f"{certificate} and {key} are no pair", hint) from error
    return context
