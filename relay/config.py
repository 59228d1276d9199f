"""The settings: flags over RELAY_* over the signed configuration over HOME/relay.toml."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hardware import topics
from hardware.node import HOPS_MAX, NEIGHBOURS_MAX, PROFILES, Neighbour, is_loopback

_MOTO = PROFILES["moto"]


class RelayIdentity(BaseSettings):
    """What of the settings is there before any configuration: who this node is."""

    model_config = SettingsConfigDict(env_prefix="RELAY_", extra="ignore")

    name: str
    credentials: Path


class RelayConfig(BaseSettings):
    """What a relay has to be told; the rest is in its credentials."""

    model_config = SettingsConfigDict(env_prefix="RELAY_", extra="forbid")

    name: str
    credentials: Path
    broker_host: str
    broker_port: int = Field(8883, ge=1, le=65535)
    broker_tls: bool = True
    radio_host: str = "127.0.0.1"
    radio_port: int = Field(ge=0, le=65535)
    radio_serial: str = ""
    radio_baud: int = Field(115200, ge=1200, le=4_000_000)
    forward_host: str = ""
    forward_port: int = Field(0, ge=0, le=65535)  # 0: hands nothing on
    hops_max: int = Field(HOPS_MAX, ge=1, le=HOPS_MAX)
    neighbours: tuple[Neighbour, ...] = Field((), max_length=NEIGHBOURS_MAX)
    spool_bytes_max: int = Field(_MOTO.spool_bytes_max, ge=1 << 20)
    bundle_s: float = Field(_MOTO.bundle_s, ge=0.02, le=1.0)
    backfill_bytes: int = Field(_MOTO.backfill_bytes, ge=1 << 10)
    uncommitted_bytes: int = Field(_MOTO.uncommitted_bytes, ge=1 << 10)
    trial_s: float = Field(_MOTO.trial_s, ge=1.0, le=3600.0)

    @field_validator("name")
    @classmethod
    def _topic_name(cls, name: str) -> str:
        if not topics.is_name(name):
            raise ValueError("must be a-z, 0-9 and -, 32 at most")
        return name

    @field_validator("neighbours", mode="before")
    @classmethod
    def _from_text(cls, neighbours: Any) -> Any:
        if not isinstance(neighbours, list | tuple):
            return neighbours
        return [_neighbour(text) if isinstance(text, str) else text for text in neighbours]

    @model_validator(mode="after")
    def _tls_beyond_loopback(self) -> "RelayConfig":
        if not self.broker_tls and not is_loopback(self.broker_host):
            raise ValueError(f"broker_tls may be off only on loopback, not for {self.broker_host}")
        return self


def _neighbour(text: str) -> dict[str, Any]:
    name, _, address = text.partition("@")
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"neighbour {text[:64]!r} is no NAME@HOST:PORT")
    return {"name": name, "host": host, "port": int(port)}
