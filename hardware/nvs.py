"""A transponder's configuration and keys as an encrypted NVS partition.

Made by Espressif's `esp_idf_nvs_partition_gen`, read back by `nvs_pages`. The namespace
`transponder` holds one key a field, named as in `_FIELDS`.
"""

import io
from dataclasses import dataclass
from typing import Any

from hardware import keys
from hardware.errors import Misconfigured, Reason, Refused
from hardware.nvs_pages import PAGE_BYTES, Value, read_partition
from hardware.packet import DEVICE_MAX

NAMESPACE = "transponder"
FORMAT = 1
TEXT_BYTES_MAX = 256  # 64 characters


@dataclass(frozen=True)
class TransponderConfig:
    """All that a transponder is told, and its keys.

    Attributes:
        event: the event's id, the external_aad of every signature.
        serial, name: what stands on its case; who or what wears it.
        bib: the rider's number, 0 of a spare one. The roster binds; this is for its display.
        channel: radio channel, 1 to 255.
        device, generation: its key id.
        boot: the last start that is used up; the first one is a higher one.
        epoch_ms: zero of the packets' times, ms since 1970.
        roster: version of the roster in force when it was made.
        made_ms: when it was made, ms since 1970. Of two on one chip the later holds.
        sign_seed: Ed25519, private.
        box_private: X25519, private.
        event_box_public: X25519, the event's.
    """

    event: str
    serial: str
    name: str
    bib: int
    channel: int
    device: int
    generation: int
    boot: int
    epoch_ms: int
    roster: int
    made_ms: int
    sign_seed: bytes
    box_private: bytes
    event_box_public: bytes


# field: NVS key (15 characters at most), encoding, highest number
_FIELDS = {
    "event": ("event", "string", 0),
    "serial": ("serial", "string", 0),
    "name": ("name", "string", 0),
    "bib": ("bib", "u16", 0xFFFF),
    "channel": ("channel", "u8", 0xFF),
    "device": ("device", "u32", DEVICE_MAX),
    "generation": ("generation", "u8", 0xFF),
    "boot": ("boot", "u16", 0xFFFF),
    "epoch_ms": ("epoch_ms", "u64", 1 << 62),
    "roster": ("roster", "u32", 0xFFFFFFFF),
    "made_ms": ("made_ms", "u64", 1 << 62),
    "sign_seed": ("sign_seed", "hex2bin", 0),
    "box_private": ("box_private", "hex2bin", 0),
    "event_box_public": ("event_box", "hex2bin", 0),
}


def build_nvs(config: TransponderConfig, nvs_keys: bytes, size_bytes: int) -> bytes:
    """The NVS partition of a configuration, encrypted with the 64 bytes of `nvs_keys`.

    Raises:
        Refused: VALUE, a field that does not fit.
        Misconfigured: the library is not installed; only the crew's laptop needs it.
    """
    try:
        from esp_idf_nvs_partition_gen.nvs_partition_gen import Page, nvs_open, write_entry
    except ImportError as error:
        raise Misconfigured(
            "esp-idf-nvs-partition-gen is not installed here",
            "Install big-data-truck[crew].",
        ) from error
    values = {name: getattr(config, field) for field, (name, _, _) in _FIELDS.items()}
    _config({"format": FORMAT, **values})
    image, room = io.BytesIO(), size_bytes - PAGE_BYTES  # it adds the page NVS keeps in reserve
    with nvs_open(image, room, Page.VERSION2, is_encrypt=True, key=nvs_keys) as nvs:
        write_entry(nvs, NAMESPACE, "namespace", "", "")
        write_entry(nvs, "format", "data", "u8", str(FORMAT))
        for field, (name, encoding, _) in _FIELDS.items():
            value = getattr(config, field)
            text = value.hex() if isinstance(value, bytes) else str(value)
            write_entry(nvs, name, "data", encoding, text)
    return image.getvalue()


def read_nvs(image: bytes, nvs_keys: bytes) -> TransponderConfig:
    """The configuration in an NVS partition, each CRC and each value checked.

    Raises:
        Refused: LENGTH, VERSION, MALFORMED, CIPHERTEXT or VALUE.
    """
    namespaces = read_partition(image, nvs_keys)
    if NAMESPACE not in namespaces:
        raise Refused(Reason.MALFORMED, f"NVS: no namespace {NAMESPACE}")
    return _config(namespaces[NAMESPACE])


def _config(values: dict[str, Value]) -> TransponderConfig:
    if values.get("format") != FORMAT:
        raise Refused(Reason.VERSION, f"transponder format {values.get('format')!r}")
    names = {name for name, _, _ in _FIELDS.values()} | {"format"}
    if values.keys() != names:
        odd = ", ".join(sorted(values.keys() ^ names))
        raise Refused(Reason.MALFORMED, f"transponder's fields: {odd[:200]} missing or unknown")
    fields: dict[str, Any] = {}
    for field, (name, encoding, highest) in _FIELDS.items():
        value = values[name]
        if not _fits(value, encoding, highest):
            raise Refused(Reason.VALUE, f"transponder's {field}")
        fields[field] = value
    return TransponderConfig(**fields)


def _fits(value: Value, encoding: str, highest: int) -> bool:
    if encoding == "string":
        return (
            isinstance(value, str)
            and value.isprintable()
            and 0 < len(value.encode()) <= TEXT_BYTES_MAX
        )
    if encoding == "hex2bin":
        return isinstance(value, bytes) and len(value) == keys.KEY_BYTES
    return isinstance(value, int) and 0 <= value <= highest
