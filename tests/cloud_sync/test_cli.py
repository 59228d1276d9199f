import json

import pytest

from cloud_sync import config


def test_keygen_writes_a_pair_and_says_its_id(cli, tmp_path) -> None:
    done = cli("keygen", tmp_path / "operations", "--json")
    document = done.json()
    assert document["schema"] == "cloud-sync.keygen/1"
    assert document["key_id"] in (tmp_path / "operations.pub").read_text()
    again = cli("keygen", tmp_path / "operations")
    assert (again.code, "never overwritten" in again.err) == (78, True)


@pytest.mark.parametrize(
    "command", ["keygen", "push", "pull", "verify", "status", "head", "ls", "diff", "watch"]
)
def test_help_teaches(cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.code == 0
    assert "Usage: cloud-sync" in done.out


def test_wrong_usage_exits_2(cli) -> None:
    assert cli("pull").code == 2
    assert cli("fly").code == 2


def test_a_missing_setting_names_flag_variable_and_file(cli, tmp_path) -> None:
    done = cli("verify", tmp_path)
    assert done.code == 78
    for word in ("--truck", "CLOUD_SYNC_TRUCK", "cloud-sync.toml"):
        assert word in done.err


def test_flags_go_before_environment_before_file(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / config.FILE).write_text('to = "file"\ntruck = "file"\n')
    monkeypatch.setenv("CLOUD_SYNC_TO", "environment")
    settings = config.load_settings(None, None, None)
    assert (settings.to, settings.truck) == ("environment", "file")
    assert config.load_settings("flag", None, None).to == "flag"


@pytest.mark.parametrize("text", ["to = ", 'tow = "x"', "to = 3"])
def test_a_wrong_settings_file_is_one_sentence(cli, tmp_path, text: str) -> None:
    (tmp_path / config.FILE).write_text(text)
    done = cli("verify", tmp_path)
    assert (done.code, len(done.err.strip().splitlines())) == (78, 1)
    assert config.FILE in done.err


def test_an_empty_remote_is_named(cli, tmp_path) -> None:
    done = cli("verify", tmp_path / "none", "--truck", "ab" * 32)
    assert done.code == 78
    assert "holds no stream" in done.err


def test_a_key_that_is_none_is_named(cli, tmp_path) -> None:
    done = cli("verify", tmp_path, "--truck", "zz")
    assert done.code == 78
    assert "truck public key" in done.err


def test_stdout_carries_data_only(cli, crew, tmp_path) -> None:
    crew.seal(tmp_path / "spool", [5])
    done = cli("push", tmp_path / "spool", "--to", tmp_path / "r", "--json")
    assert json.loads(done.out)["rows"] == 5
    assert done.err == ""
