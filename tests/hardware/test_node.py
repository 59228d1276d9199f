"""A node's configuration: signed, versioned, and refused by name where it is not ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import home
from hardware.errors import Reason, Refused
from hardware.node import (
    PAYLOAD_TYPE,
    PROFILES,
    SCHEMA,
    Node,
    check_newer,
    config_digest,
    make_node,
    open_node,
    relay_settings,
    sign_node,
)
from hardware.signing import SigningKey, sign_document
from relay.config import RelayConfig

AUTHORITY = SigningKey(bytes(range(32)))


def a_node(**fields: Any) -> Node:
    return make_node(
        fields.pop("profile", "moto"),
        **{
            "event": "tour",
            "name": "moto-1",
            "serial": "SN1",
            "version": 3,
            "broker": {"host": "10.0.0.1", "port": 8883},
            "radio": {"host": "0.0.0.0", "port": 9100},
        }
        | fields,
    )


def opened(envelope: bytes, event: str = "tour", name: str = "moto-1", serial: str = "SN1") -> Node:
    return open_node(envelope, AUTHORITY.public, event, name, serial)


def refusal(envelope: bytes, **whose: str) -> Refused:
    with pytest.raises(Refused) as caught:
        opened(envelope, **whose)
    return caught.value


def test_a_signed_configuration_comes_back_as_it_was() -> None:
    node = a_node(
        profile="helicopter",
        radio={"host": "0.0.0.0", "port": 9100, "serial": "/dev/ttyUSB0", "channel": 7},
        enrol={"host": "10.0.0.1", "port": 8884},
        forwarding={
            "host": "0.0.0.0",
            "port": 9200,
            "neighbours": [{"name": "moto-2", "host": "10.0.0.3", "port": 9200}],
        },
    )
    assert opened(sign_node(node, AUTHORITY)) == node


@pytest.mark.parametrize(
    ("whose", "reason"),
    [
        ({"event": "giro"}, Reason.OTHER_EVENT),
        ({"name": "moto-2"}, Reason.OTHER_NODE),
        ({"serial": "SN2"}, Reason.OTHER_NODE),
    ],
)
def test_a_configuration_for_others_is_refused_by_name(
    whose: dict[str, str], reason: Reason
) -> None:
    assert refusal(sign_node(a_node(), AUTHORITY), **whose).reason == reason


def test_one_signed_by_somebody_else_is_refused() -> None:
    assert refusal(sign_node(a_node(), SigningKey(bytes(32)))).reason == Reason.SIGNATURE


@pytest.mark.parametrize("version", [2, 3])
def test_a_version_that_does_not_rise_is_refused(version: int) -> None:
    with pytest.raises(Refused, match="version") as caught:
        check_newer(a_node(), a_node(version=version))
    assert caught.value.reason == Reason.OLDER
    check_newer(a_node(), a_node(version=4))


def test_another_schema_is_refused_as_version() -> None:
    payload = {"schema": "truck.node/2"} | a_node().model_dump(mode="json")
    assert refusal(sign_document(payload, PAYLOAD_TYPE, AUTHORITY)).reason == Reason.VERSION


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("version", 0, "version"),
        ("version", "4", "version"),
        ("role", "bike", "role"),
        ("profile", "boat", "profile"),
        ("name", "Moto 1", "name"),
        ("broker", {"host": "10.0.0.1", "port": 70000}, "broker.port"),
        ("broker", {"host": "10.0.0.1", "port": 8883, "tls": False}, "broker"),
        ("broker", {"host": "$(reboot)", "port": 8883}, "broker.host"),
        ("radio", {"host": "0.0.0.0", "port": 9100, "serial": "/etc/passwd"}, "radio.serial"),
        ("spool_bytes_max", 5, "spool_bytes_max"),
        ("bundle_s", 60.0, "bundle_s"),
        ("forwarding", {"host": "0.0.0.0", "port": 9200, "hops_max": 9}, "forwarding.hops_max"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any, named: str) -> None:
    payload = {"schema": SCHEMA} | a_node().model_dump(mode="json") | {field: value}
    refused = refusal(sign_document(payload, PAYLOAD_TYPE, AUTHORITY))
    assert refused.reason == Reason.VALUE
    assert f"field {named}:" in str(refused)


SIGNED = sign_node(a_node(), AUTHORITY)


@given(st.data())
def test_any_changed_byte_is_a_refusal(data: st.DataObject) -> None:
    envelope = bytearray(SIGNED)
    at = data.draw(st.integers(0, len(envelope) - 1))
    envelope[at] ^= data.draw(st.integers(1, 255))
    assert refusal(bytes(envelope)).reason in set(Reason)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_refusal(noise: bytes) -> None:
    assert refusal(noise).reason in {Reason.MALFORMED, Reason.SIGNATURE}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_configuration_is_a_whole_relays_settings(profile: str, tmp_path: Path) -> None:
    neighbours = [{"name": "moto-2", "host": "10.0.0.3", "port": 9200}]
    forwarding = {"host": "0.0.0.0", "port": 9200, "neighbours": neighbours}
    node = a_node(profile=profile, forwarding=forwarding)
    fields = relay_settings(node) | {"credentials": tmp_path}
    config = home.save_settings(RelayConfig, tmp_path / "relay.toml", fields)
    assert config.spool_bytes_max == PROFILES[node.profile].spool_bytes_max
    assert node.forwarding is not None
    assert config.neighbours == node.forwarding.neighbours
    loaded = home.load_settings(RelayConfig, tmp_path / "relay.toml", {})
    assert loaded.model_dump() == config.model_dump()


def test_the_digest_is_that_of_the_document() -> None:
    one, two = sign_node(a_node(), AUTHORITY), sign_node(a_node(version=4), AUTHORITY)
    assert len(config_digest(one)) == 64
    assert config_digest(one) != config_digest(two)
    assert json.loads(one)["payloadType"] == PAYLOAD_TYPE
