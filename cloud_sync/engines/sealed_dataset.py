"""Sealed files as a pyarrow dataset: engines read the encrypted Parquet itself, with a key.

The copy is proven first, as `cloud-sync verify` does. Each file is then bound to its own batch:
a file in another's place does not open, though the key would open both.
"""

from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.fs as fs
import pyarrow.parquet.encryption as pe

from cloud_sync.audit import raise_failures, verify_stream
from cloud_sync.fetching import fetch_object
from cloud_sync.folder import Folder
from cloud_sync.keyring import KeyHolder
from cloud_sync.manifest import Manifest
from cloud_sync.opening import Opener
from cloud_sync.remote import Remote


class _BatchKms(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Opens one batch and no other, its object proven again."""

    def __init__(self, remote: Remote, opener: Opener, manifest: Manifest) -> None:
        super().__init__()
        self._remote, self._opener, self._manifest = remote, opener, manifest

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return self._opener.data_key(fetch_object(self._remote, self._manifest), self._manifest)


def open_sealed(copy: str | Path, stream: str, truck: bytes, key: KeyHolder) -> ds.Dataset:
    """The rows of one stream of a folder copy, read from its sealed files as they are asked for.

    Args:
        copy: the folder that holds `<stream>/data` and `<stream>/manifest`.
        stream: its name.
        truck: the truck's Ed25519 public key, 32 bytes.
        key: a recipient's private key.

    Raises:
        Damaged: the stream does not prove whole; the sentence names every batch that does not.
        Misconfigured: the key opens none or not all of it.
    """
    remote = Folder(Path(copy))
    audit = verify_stream(remote, stream, truck, None, lambda *_: None)
    raise_failures([audit])
    opener = audit.opener(remote, key)
    opener.check(audit.chain)
    home, disk = Path(remote.name), fs.LocalFileSystem()
    formats = [_format(remote, opener, manifest) for manifest in audit.chain]
    fragments = [
        parquet.make_fragment(str(home / manifest.key), disk)
        for parquet, manifest in zip(formats, audit.chain, strict=True)
    ]
    schema = fragments[0].physical_schema.remove_metadata()
    return ds.FileSystemDataset(fragments, schema, formats[0], disk)


def _format(remote: Remote, opener: Opener, manifest: Manifest) -> ds.ParquetFileFormat:
    factory = pe.CryptoFactory(lambda _: _BatchKms(remote, opener, manifest))
    config = ds.ParquetDecryptionConfig(
        factory, pe.KmsConnectionConfig(), pe.DecryptionConfiguration()
    )
    options = ds.ParquetFragmentScanOptions(decryption_config=config)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)
