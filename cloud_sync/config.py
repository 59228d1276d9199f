"""Settings: flags go before CLOUD_SYNC_* variables, those before ./cloud-sync.toml."""

import tomllib
from typing import Any

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hardware.errors import Misconfigured

FILE = "cloud-sync.toml"


class Settings(BaseSettings):
    """What the commands need to know; AWS_* and the like belong to the store's own library."""

    model_config = SettingsConfigDict(env_prefix="CLOUD_SYNC_", toml_file=FILE, extra="forbid")

    to: str | None = None
    key: str | None = None
    truck: str | None = None
    root: str | None = None
    cloud: str | None = None
    also: str | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, TOML."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(
    to: str | None,
    key: str | None,
    truck: str | None,
    root: str | None = None,
    cloud: str | None = None,
    also: str | None = None,
) -> Settings:
    """The settings of this call; None where a flag was not given.

    Raises:
        Misconfigured: when the file is no TOML or says something unknown.
    """
    flags: dict[str, Any] = {
        "to": to, "key": key, "truck": truck, "root": root, "cloud": cloud, "also": also,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{FILE} is no TOML: {error}", "Correct that line.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise Misconfigured(
            f"{FILE} or CLOUD_SYNC_{field.upper()}: {field}: {first['msg']}",
            "Known are to, key, truck, root, cloud and also.",
        ) from error
