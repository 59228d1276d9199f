"""What every machine's home holds: one lock, a status, settings."""

import json
import os
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from hardware import home
from hardware.errors import Damaged, Locked, Misconfigured, NotInitialised


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LAMP_", extra="forbid")

    place: Path
    lit: bool = True


def test_a_home_has_one_holder_at_a_time(tmp_path: Path) -> None:
    held = home.lock(tmp_path, "lamp")
    with pytest.raises(Locked, match="another lamp runs in"):
        home.lock(tmp_path, "lamp")
    os.close(held)
    os.close(home.lock(tmp_path, "lamp"))
    with pytest.raises(Misconfigured, match="cannot write"):
        home.lock(tmp_path / "gone", "lamp")


def test_a_status_comes_back_and_its_age_is_the_walls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotInitialised, match="no lamp has run"):
        home.read_status(tmp_path, "lamp")
    status = {"schema": "lamp.status/1", "lit": True}
    home.write_status(tmp_path, status)
    assert home.read_status(tmp_path, "lamp") == status
    monkeypatch.setenv("TRUCK_CLOCK", "20.0@0.0")  # a sped-up race does not age a status
    assert 0.0 <= home.status_age_s(tmp_path) < 60.0
    os.utime(tmp_path / "status.json", (0, 0))
    assert home.status_age_s(tmp_path) > 1e9


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "relay.status/1"}', '{"schema": "lamp', "\x00", "[" * 9999]
)
def test_what_is_no_status_of_this_machine_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(Damaged, match="no status file; a running lamp renews it"):
        home.read_status(tmp_path, "lamp")


def test_settings_of_any_spelling_come_back(tmp_path: Path) -> None:
    path = tmp_path / "lamp.toml"
    with pytest.raises(NotInitialised, match="lamp init"):
        home.load_settings(Settings, path, {})
    for name in ("plain", 'a "quoted" \\ one', "Pyrénées 🚴", "tab\tand line\n"):
        written = home.save_settings(Settings, path, {"place": Path(name), "lit": False})
        found = home.load_settings(Settings, path, {})
        assert found.model_dump() == written.model_dump() == {"place": Path(name), "lit": False}


def test_a_wrong_setting_names_field_file_and_variable(tmp_path: Path) -> None:
    path = tmp_path / "lamp.toml"
    with pytest.raises(Misconfigured, match=rf"lit: .*{path}.*LAMP_LIT"):
        home.save_settings(Settings, path, {"place": tmp_path, "lit": "dim"})
    assert not path.exists()
    path.write_text(f"place = {json.dumps(str(tmp_path))}\ncolour = 1\n")
    with pytest.raises(Misconfigured, match="colour"):
        home.load_settings(Settings, path, {})
