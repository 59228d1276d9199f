"""The relay's settings: flags over the environment (RELAY_*) over HOME/relay.toml."""

import ipaddress
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hardware import topics


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
    spool_bytes_max: int = Field(1 << 30, ge=1 << 20)
    bundle_s: float = Field(0.1, ge=0.02, le=1.0)

    @field_validator("name")
    @classmethod
    def _topic_name(cls, name: str) -> str:
        if not topics.is_name(name):
            raise ValueError("must be a-z, 0-9 and -, 32 at most")
        return name

    @model_validator(mode="after")
    def _tls_beyond_loopback(self) -> "RelayConfig":
        if not self.broker_tls and not is_loopback(self.broker_host):
            raise ValueError(f"broker_tls may be off only on loopback, not for {self.broker_host}")
        return self


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
