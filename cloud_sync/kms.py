"""A private key held by AWS KMS: the truck seals to its public half, KMS opens.

The key is an RSA key for ENCRYPT_DECRYPT; its private half never leaves the service. Credentials
and endpoint are boto3's own (AWS_*).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cloud_sync.keyring import Algorithm, Recipient
from hardware.errors import Misconfigured, Unavailable

_ALGORITHM = "RSAES_OAEP_SHA_256"
_LATER = {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException"}
_NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}
_INFO_BYTES = 32


class KmsKey:
    """One key of the service, by its ARN, id or alias; a `KeyHolder`."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        with self._named_errors():
            self._client: Any = boto3.session.Session().client("kms", region_name=_region(arn))

    @property
    def name(self) -> str:
        """Its ARN."""
        return f"kms:{self._arn}"

    @cached_property
    def _public(self) -> bytes:
        with self._named_errors():
            answer = self._client.get_public_key(KeyId=self._arn)
        if _ALGORITHM not in answer.get("EncryptionAlgorithms", []):
            raise Misconfigured(
                f"{self.name} is no RSA key for encryption",
                "Create one: key usage ENCRYPT_DECRYPT, spec RSA_3072 or RSA_4096.",
            )
        return bytes(answer["PublicKey"])

    def recipient(self, name: str = "kms") -> Recipient:
        """The public half, under a name.

        Raises:
            Misconfigured: when the service refuses, or the key is of another kind.
            Unavailable: when it does not answer.
        """
        return Recipient(name, self._public, Algorithm.RSA_OAEP)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """See KeyHolder."""
        try:
            with self._named_errors():
                answer = self._client.decrypt(
                    KeyId=self._arn, CiphertextBlob=sealed, EncryptionAlgorithm=_ALGORITHM
                )
        except ClientError as error:
            raise ValueError("not sealed for this key") from error
        plain = bytes(answer["Plaintext"])
        if plain[-_INFO_BYTES:] != info:
            raise ValueError("sealed for another purpose")
        return plain[:-_INFO_BYTES]

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _NOT_OURS:
                raise
            if code in _LATER:
                raise Unavailable(f"{self.name} does not answer now: {code}") from error
            raise Misconfigured(
                f"{self.name} refuses: {error}",
                "Check the ARN, AWS_* and that the key's policy allows kms:Decrypt and"
                " kms:GetPublicKey.",
            ) from error
        except (BotoCoreError, ValueError) as error:
            raise Unavailable(f"{self.name} cannot be asked: {error}") from error


def _region(arn: str) -> str | None:
    """The region an ARN names; boto3's own where it is only an id."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 and parts[3] else None
