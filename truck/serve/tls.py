"""TLS of the truck's own listeners: 1.3 only, and the names its certificate vouches for."""

import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from hardware.errors import Misconfigured
from hardware.keys import read_file


class Certificate(NamedTuple):
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


def tls_context(own: Certificate) -> ssl.SSLContext:
    """A server's context, TLS 1.3 alone.

    Raises:
        Misconfigured: a file is missing, or they are no pair.
    """
    for path, what in ((own.certificate, "TLS certificate"), (own.key, "TLS key")):
        read_file(path, what)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(own.certificate, own.key)
    except ssl.SSLError as error:
        raise Misconfigured(
            f"{own.certificate} and {own.key} are no TLS certificate and its key",
            "Take both files from the authority again.",
        ) from error
    return context


def names_in(certificate: Path) -> frozenset[str]:
    """The host names a certificate is for, in small letters; none where it is none.

    Raises:
        Misconfigured: it cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificate(read_file(certificate, "TLS certificate"))
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))
