"""Data keys are sealed again for a cluster's key, the data untouched; or nothing is written."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud_sync.batch import BatchName
from cloud_sync.sealed_parquet import read_sealed


@pytest.fixture(scope="module")
def service() -> rsa.RSAPrivateKey:
    """The key of a cluster's key service."""
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def grant(cli, crew, tmp_path: Path, service):
    (tmp_path / "cluster.pub").write_bytes(pem(service))

    def run(copy: Path, *more: object, cluster: Path | None = None, key: str = crew.key_file):
        return cli(
            "cluster", "keys", copy, "--to", tmp_path / "keys.json", "--key", key,
            "--truck", crew.truck.public.hex(), "--cluster", cluster or tmp_path / "cluster.pub",
            *more,
        )  # fmt: skip

    return run


def test_the_service_opens_each_batch_with_what_the_map_holds(
    grant, odd_copy: Path, tmp_path: Path, service: rsa.RSAPrivateKey
) -> None:
    before = {path: path.read_bytes() for path in odd_copy.rglob("*.*")}
    told = grant(odd_copy, "--json").json()
    assert {path: path.read_bytes() for path in odd_copy.rglob("*.*")} == before
    known = json.loads((tmp_path / "keys.json").read_text())
    assert known["schema"] == "cloud-sync.key-map/1"
    assert told["cluster_key"] == known["cluster_key"]
    assert (told["batches"], told["rows"], told["streams"]) == (4, 340, ["truck-1", "truck-2"])
    for entry in known["batches"]:
        stream, _, seq = entry["batch"].rpartition("/")
        (envelope,) = json.loads(entry["envelope"])["keys"]
        assert envelope["key"] == known["cluster_key"]
        opened = service.decrypt(
            base64.b64decode(envelope["sealed"]),
            OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None),
        )
        purpose = f"truck.batch/1\0{stream}\0{int(seq)}\0{known['cluster_key']}"
        assert opened[32:] == hashlib.sha256(purpose.encode()).digest()
        data = (odd_copy / entry["object"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        rows = read_sealed(data, BatchName(stream, int(seq)), lambda _, key=opened[:32]: key)
        assert [rows["row_id"][0].as_py(), rows["row_id"][-1].as_py() + 1] == entry["rows"]


def test_one_stream_alone_is_granted_when_named(grant, odd_copy: Path, tmp_path: Path) -> None:
    assert grant(odd_copy, "--stream", "truck-2").code == 0
    batches = json.loads((tmp_path / "keys.json").read_text())["batches"]
    assert [entry["batch"] for entry in batches] == ["truck-2/000000000000"]


def test_nothing_is_granted_when_a_batch_does_not_hold(
    grant, odd_copy: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(odd_copy, tmp_path / "copy"))
    second = sorted((copy / "truck-1" / "data").iterdir())[1]
    second.write_bytes(second.read_bytes()[:-1])
    done = grant(copy)
    assert (done.code, done.out) == (65, "")
    assert "the object of batch truck-1/000000000001 is shorter" in done.err
    assert not (tmp_path / "keys.json").exists()


def test_a_key_that_is_none_is_one_sentence(grant, crew, odd_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "ec.pub").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    (tmp_path / "short.pub").write_bytes(pem(rsa.generate_private_key(65537, 1024)))
    (tmp_path / "cut.pub").write_bytes(pem(rsa.generate_private_key(65537, 2048))[:200])
    for cluster in (
        tmp_path / "ec.pub", tmp_path / "short.pub", tmp_path / "cut.pub",
        crew.folder / "operations.pub", Path("/dev/null"),
    ):  # fmt: skip
        done = grant(odd_copy, cluster=cluster)
        assert (done.code, done.out, len(done.err.strip().splitlines())) == (78, "", 1), cluster
    assert "no such file" in grant(odd_copy, cluster=tmp_path / "none").err.lower()
    assert not (tmp_path / "keys.json").exists()


def test_the_kit_says_what_is_missing(cli, tmp_path: Path, spark_home: Path) -> None:
    assert "is no Spark" in cli("cluster", "kit", tmp_path, "--spark", tmp_path).err
    done = cli("cluster", "kit", tmp_path / "kit", "--spark", spark_home, PATH="/nowhere")
    assert (done.code, done.err.startswith("error: there is no Java compiler here")) == (78, True)
    assert not (tmp_path / "kit").exists()
