"""A private key that never leaves AWS KMS opens what the truck sealed without asking it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from copy_desk import BIO, STREAM, Desk
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from moto import mock_aws
from moto.kms.exceptions import InvalidCiphertextException
from moto.kms.models import KmsBackend

from cloud_sync.cloud_copy import Access
from cloud_sync.envelope import seal_to
from cloud_sync.keyring import Algorithm, Recipient, open_holder, read_recipient
from hardware.errors import Damaged, Misconfigured

REGION = "eu-west-3"


@pytest.fixture
def arn(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An RSA key in a KMS of moto's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setattr(KmsBackend, "decrypt", decrypt_as_kms_does)
    with mock_aws():
        yield create(KeySpec="RSA_3072", KeyUsage="ENCRYPT_DECRYPT")


def decrypt_as_kms_does(
    backend: KmsBackend, ciphertext_blob: bytes, encryption_context: dict, key_id: str
) -> tuple[bytes, str]:
    """moto opens its own AES blobs only, whatever the key; KMS opens RSA-OAEP with an RSA key."""
    key = backend.keys[backend.any_id_to_key_id(key_id)]
    padding = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)
    try:
        return key.private_key.private_key.decrypt(ciphertext_blob, padding), key.arn
    except ValueError as error:
        raise InvalidCiphertextException from error


def create(**options: str) -> str:
    return boto3.client("kms", region_name=REGION).create_key(**options)["KeyMetadata"]["Arn"]


def test_what_the_truck_seals_offline_kms_opens(cli, arn: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", str(tmp_path / "remote"))
    done = cli("keygen", desk.path("held"), "--kms", arn, "--json")
    assert done.code == 0, done.err
    recipient = read_recipient(desk.path("held.pub"))
    assert (recipient.algorithm, recipient.key_id) == (Algorithm.RSA_OAEP, done.json()["key_id"])
    assert not desk.path("held.key").exists()
    pubs = [desk.path("held.pub"), desk.path("recovery.pub")]
    desk.seal(40, Access(pubs, pubs))
    desk.push()
    key = ["--key", f"kms:{arn}"]
    pull = cli("pull", desk.url, "--to", tmp_path / "out", *key, *desk.trust(), "--json")
    assert pull.code == 0, pull.err
    assert [s["stream"] for s in pull.json()["streams"]] == [STREAM, BIO]
    other = cli("pull", desk.url, "--to", tmp_path / "o2", *desk.key("recovery"), *desk.trust())
    assert other.code == 0, other.err


def test_kms_opens_for_the_purpose_it_was_sealed_for_only(arn: str) -> None:
    from cloud_sync.envelope import open_sealed

    key = open_holder(f"kms:{arn}")
    text = seal_to([key.recipient()], b"k" * 32, "this")
    assert open_sealed(text, "this", "a batch", key) == b"k" * 32
    with pytest.raises(Damaged, match="does not open"):
        open_sealed(text, "that", "a batch", key)
    stranger = open_holder(f"kms:{create(KeySpec='RSA_2048', KeyUsage='ENCRYPT_DECRYPT')}")
    with pytest.raises(Misconfigured, match="cannot open a batch"):
        open_sealed(text, "this", "a batch", stranger)
    moved = text.replace(key.recipient().key_id, stranger.recipient().key_id)
    with pytest.raises(Damaged, match="does not open"):
        open_sealed(moved, "this", "a batch", stranger)


def test_a_key_of_another_kind_or_none_is_named(cli, arn: str, tmp_path: Path) -> None:
    symmetric = create(KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT")
    signing = create(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    for wrong in (symmetric, signing, arn[:-3] + "000"):
        done = cli("keygen", tmp_path / "x", "--kms", wrong)
        assert done.code == 78, done.err
        assert len(done.err.strip().splitlines()) == 1
        assert not (tmp_path / "x.pub").exists()


def test_a_service_that_is_away_is_waited_for(
    cli, arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = cli("keygen", tmp_path / "x", "--kms", arn)
    assert (done.code, "cannot be asked" in done.err) == (75, True)


@pytest.mark.parametrize("bits", [1024])
def test_a_small_rsa_key_is_no_recipient(bits: int) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = rsa.generate_private_key(65537, bits).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="2048"):
        Recipient("small", der, Algorithm.RSA_OAEP).public_key()
