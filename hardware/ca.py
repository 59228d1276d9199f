"""The event's certificate authority: one EC P-256 key, client and server certificates.

A machine's CN is its name in topics and at the broker. A relay makes its own TLS key and asks with
a certificate request (CSR); only the truck's and the enrolment desk's are made where the CA is.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 60


class Ca:
    """The authority's TLS side: its key and its own certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key, self._certificate = key, certificate

    @classmethod
    def new(cls, now_s: float) -> "Ca":
        """A key and a certificate that vouches for itself."""
        key = new_tls_key()
        name = _name("event CA")
        certificate = (
            _builder(name, name, key.public_key(), now_s)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load(cls, key_pem: bytes, certificate_pem: bytes) -> "Ca":
        """From its files.

        Raises:
            ValueError: they are none, or no pair.
        """
        key = serialization.load_pem_private_key(key_pem, None)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("a key of another kind")
        if key.public_key() != certificate.public_key():
            raise ValueError("ca.key and ca.crt are no pair")
        return cls(key, certificate)

    def key_pem(self) -> bytes:
        """The key, PKCS8 in the clear."""
        return key_pem(self._key)

    def certificate_pem(self) -> bytes:
        """The certificate that every machine trusts."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        name: str,
        hosts: Sequence[str],
        now_s: float,
        public: ec.EllipticCurvePublicKey,
    ) -> bytes:
        """A certificate with CN `name` for `public`, PEM; with `hosts` it may also be a server."""
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(_name(name), self._certificate.subject, public, now_s)
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


def new_tls_key() -> ec.EllipticCurvePrivateKey:
    """A TLS key, EC P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A TLS key as PKCS8 in the clear."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def make_csr(name: str, key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate request with CN `name`, PEM."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def read_csr(pem: str) -> tuple[str, ec.EllipticCurvePublicKey]:
    """The CN and the public key of a certificate request, its own signature proven.

    Raises:
        ValueError: it is none, of another curve, has another subject than one CN, or is not
            signed by its key.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        public, subject = request.public_key(), list(request.subject)
        valid = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ValueError("no certificate request") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise ValueError("a key of another kind than EC P-256")
    if len(subject) != 1 or subject[0].oid != NameOID.COMMON_NAME:
        raise ValueError("a subject that is more than one name")
    if not valid:
        raise ValueError("not signed with the key it asks for")
    return str(subject[0].value), public


def public_der(public: ec.EllipticCurvePublicKey) -> bytes:
    """A TLS public key as DER SubjectPublicKeyInfo."""
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def check_certificate(
    certificate_pem: str, ca_pem: str, name: str, public: ec.EllipticCurvePublicKey
) -> None:
    """Whether a certificate is the CA's own word that `public` is `name`.

    Raises:
        ValueError: it is not, and why.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        ca = x509.load_pem_x509_certificate(ca_pem.encode())
        certificate.verify_directly_issued_by(ca)
    except InvalidSignature as error:
        raise ValueError("the event's CA has not signed it") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"no certificate of the event's CA: {error}") from error
    if certificate.public_key() != public:
        raise ValueError("it is for another key")
    if certificate.subject != _name(name):
        raise ValueError(f"it is for another name than {name!r}")


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now_s: float
) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(now_s, dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=sign_certificates,
        crl_sign=sign_certificates, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
