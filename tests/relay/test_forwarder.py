"""Packets become bundles of 128, or of what a tenth of a second brought."""

from hardware.bundle import PACKETS_MAX
from relay.forwarder import Forwarder


def test_a_bundle_closes_when_it_is_full():
    forwarder = Forwarder(0.1)
    packets = list(range(2 * PACKETS_MAX + 5))
    assert forwarder.add(packets, 0.0) == [
        tuple(packets[:PACKETS_MAX]),
        tuple(packets[PACKETS_MAX : 2 * PACKETS_MAX]),
    ]
    assert forwarder.close() == [tuple(packets[-5:])]


def test_a_bundle_closes_a_tenth_of_a_second_after_its_first_packet():
    forwarder = Forwarder(0.1)
    forwarder.add(["a"], 5.0)
    forwarder.add(["b"], 5.09)
    assert forwarder.due(5.09) == []
    assert forwarder.due(5.11) == [("a", "b")]


def test_nothing_heard_makes_no_bundle():
    forwarder = Forwarder(0.1)
    assert forwarder.due(100.0) == []
    assert forwarder.close() == []
