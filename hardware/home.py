"""A machine's home folder: its lock, its status file, and its settings in TOML.

Settings come from flags over the environment over the home's TOML file.
"""

import fcntl
import json
import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from hardware import keys
from hardware.clock import Clock
from hardware.errors import Damaged, Locked, Misconfigured, NotInitialised

_Settings = TypeVar("_Settings", bound=BaseSettings)


def check(config: Path) -> None:
    """Whether `init` has been in the home whose settings file is `config`.

    Raises:
        NotInitialised: when it has not.
    """
    if not config.exists():
        machine = config.stem
        raise NotInitialised(
            f"{config.parent} is no {machine}'s home: there is no {config.name}",
            f"Make one with `{machine} init {config.parent}`.",
        )


def lock(folder: Path, machine: str) -> int:
    """Take a home for this process, see `take_lock`."""
    return take_lock(folder / "lock", f"another {machine} runs in {folder}")


def take_lock(path: Path, otherwise: str) -> int:
    """Take a lock file; the descriptor holds it until it is closed or the process ends.

    Raises:
        Locked: when another process holds it, with the sentence `otherwise`.
        Misconfigured: when the folder cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {path}: {error.strerror}", "Free some space or choose another folder."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Locked(otherwise, "Stop it, or choose another folder.") from error
    return descriptor


def release_lock(descriptor: int) -> None:
    """Give a lock back before the process ends."""
    os.close(descriptor)


def write_status(folder: Path, status: dict[str, Any]) -> None:
    """Replace the status file as a whole; its `schema` names the machine.

    Raises:
        Misconfigured: when the folder is full or read-only.
    """
    keys.write_file(folder / "status.json", json.dumps(status).encode() + b"\n", 0o644)


def read_status(folder: Path, machine: str) -> dict[str, Any]:
    """What the machine last said of itself.

    Raises:
        NotInitialised: when none has run here yet.
        Damaged: when the file is not a status of such a machine.
    """
    path = folder / "status.json"
    try:
        status = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotInitialised(
            f"no {machine} has run in {folder} yet", f"Start it: `{machine} run {folder}`."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path} is no status file; a running {machine} renews it") from error
    if not isinstance(status, dict) or status.get("schema") != f"{machine}.status/1":
        raise Damaged(f"{path} is no status file; a running {machine} renews it")
    return status


def status_age_s(folder: Path) -> float:
    """Seconds since the status was written, on the wall: the machine's clock may run faster.

    Raises:
        Damaged: when the file is gone.
    """
    path = folder / "status.json"
    try:
        return Clock().now_s() - path.stat().st_mtime
    except OSError as error:
        raise Damaged(f"cannot read {path}: {error.strerror}") from error


def load_settings(
    cls: type[_Settings], path: Path, flags: dict[str, Any], signed: dict[str, Any] | None = None
) -> _Settings:
    """The settings of a home: flags over the environment over `signed` ones over the file `path`.

    Raises:
        NotInitialised: when the file is missing.
        Misconfigured: naming file, line or field.
    """
    check(path)

    class AtHome(cls):  # type: ignore[valid-type, misc]
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            above_file = InitSettingsSource(settings_cls, signed or {})
            in_file = TomlConfigSettingsSource(settings_cls, path)
            return init_settings, env_settings, above_file, in_file

    try:
        settings: _Settings = AtHome(**flags)
    except ValidationError as error:
        raise _named(error, path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is no TOML: {error}", "Mend that line.") from error
    except OSError as error:
        raise Misconfigured(
            f"cannot read {path}: {error.strerror}", "Check who owns it."
        ) from error
    return settings


def save_settings(cls: type[_Settings], path: Path, fields: dict[str, Any]) -> _Settings:
    """Check `fields` and write them as a home's settings.

    Raises:
        Misconfigured: when a field is wrong, or the folder cannot be written.
    """
    try:
        settings = cls(**fields)
    except ValidationError as error:
        raise _named(error, path) from error
    # JSON's strings, numbers, booleans and lists are TOML's
    lines = [
        f"{name} = {json.dumps(value, default=str, ensure_ascii=False)}"
        for name, value in fields.items()
        if value is not None
    ]
    text = f"# Written by `{path.stem} init`; flags and the environment override it.\n"
    keys.write_file(path, (text + "\n".join(lines) + "\n").encode(), 0o644)
    return settings


def _named(error: ValidationError, path: Path) -> Misconfigured:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    what = f"{field}: {message}" if field else message
    variable = f"{path.stem.upper()}_{field.upper() or '*'}"
    return Misconfigured(
        f"wrong setting, {what}", f"Mend it in {path}, in {variable}, or in the flag."
    )
