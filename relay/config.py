"""Configuration: flags over the environment (RELAY_*) over HOME/relay.toml."""

import ipaddress
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hardware import keys, topics
from hardware.errors import Misconfigured
from relay.home import Home


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


def load_config(home: Home, flags: dict[str, Any]) -> RelayConfig:
    """The configuration of a home; `flags` are those the user gave.

    Raises:
        NotInitialised: when the home has none.
        Misconfigured: naming file, line or field.
    """
    home.check()

    class AtHome(RelayConfig):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = TomlConfigSettingsSource(settings_cls, home.config)
            return init_settings, env_settings, toml

    try:
        return AtHome(**flags)
    except ValidationError as error:
        raise _named(error, home.config) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{home.config} is no TOML: {error}", "Mend that line.") from error
    except OSError as error:
        raise Misconfigured(
            f"cannot read {home.config}: {error.strerror}", "Check who owns it."
        ) from error


def save_config(home: Home, fields: dict[str, Any]) -> RelayConfig:
    """Check `fields` and write them as a home's configuration.

    Raises:
        Misconfigured: when a field is wrong, or the folder cannot be written.
    """
    try:
        config = RelayConfig(**fields)
    except ValidationError as error:
        raise _named(error, home.config) from error
    lines = [f"{name} = {_toml(value)}" for name, value in fields.items()]
    text = "# Written by `relay init`; `relay run --help` lists what overrides it.\n"
    keys.write_file(home.config, (text + "\n".join(lines) + "\n").encode(), 0o644)
    return config


def _toml(value: Any) -> str:
    """A TOML scalar; JSON's strings, numbers and booleans are TOML's."""
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _named(error: ValidationError, path: Path) -> Misconfigured:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    what = f"{field}: {message}" if field else message
    return Misconfigured(
        f"wrong configuration, {what}",
        f"Mend it in {path}, in RELAY_{field.upper() or '*'}, or in the flag.",
    )
