"""The pipeline: every packet is accepted once, a further hearing, or refused by name."""

import dataclasses

import cbor2
import pytest
from small_event import NOW_S, Event, make_event

from hardware import packet, topics
from hardware.bundle import digest_of
from hardware.errors import Damaged, Reason
from hardware.forward import Forward, encode_forward
from hardware.keys import Credentials
from hardware.signing import SigningKey
from truck.journal import Record
from truck.pipeline import BACKFILL_AGE_S_MAX, LIVE_AGE_S_MAX, Message
from truck.replay_window import GROWTH_MAX
from truck.segment import Kind
from truck.stretch import Hearings, decode_stretch
from truck.tick import Tick

NOW_US = round(NOW_S * 1e6)


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Event:
    return make_event(tmp_path_factory.mktemp("event") / "event")


def judge(event: Event, *packets: bytes) -> Tick:
    return event.pipeline().accept([event.message(*packets)], NOW_US)


def reasons(tick: Tick) -> dict[str, int]:
    found: dict[str, int] = {}
    for (reason, _), count in tick.refused.items():
        found[str(reason)] = found.get(str(reason), 0) + count
    return found


@pytest.mark.parametrize("suite", sorted(packet.SUITES))
def test_a_valid_packet_of_either_suite_is_accepted_as_it_came(event: Event, suite: int) -> None:
    raw = event.packet(suite=suite)
    tick = judge(event, raw)
    assert tick.packets == [raw]
    assert tick.live == [True]
    assert not tick.refused


def test_every_flipped_bit_of_a_packet_is_refused_and_evidence_is_bounded(event: Event) -> None:
    raw = event.packet(seq=5)
    flipped = [
        raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]
        for bit in range(len(raw) * 8)
    ]
    messages = [event.message(*flipped[i : i + 128]) for i in range(0, len(flipped), 128)]
    tick = event.pipeline().accept(messages, NOW_US)
    assert tick.packets == []
    assert sum(tick.refused.values()) == len(flipped)
    assert set(reasons(tick)) >= {Reason.SIGNATURE, Reason.CIPHERTEXT, Reason.VERSION}
    assert 0 < len(tick.evidence) < len(flipped) / 4


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        (Reason.SIGNATURE, {"event": "another-event", "suite": packet.SUITE_CLEAR}),
        (Reason.CIPHERTEXT, {"event": "another-event"}),
        (Reason.GENERATION, {"generation": 2}),
        (Reason.FUTURE, {"at_s": NOW_S + 2.1}),
        (Reason.TOO_OLD, {"at_s": NOW_S - BACKFILL_AGE_S_MAX - 1, "far": True}),
        (Reason.NOT_YET_VALID, {"at_s": NOW_S - 86400 - 60}),
        (Reason.EXPIRED, {"at_s": NOW_S + 61 * 86400}),
        (Reason.VALUE, {"body": (910_000_000).to_bytes(4, "little") + bytes(15) + b"\x02"}),
    ],
)
def test_what_belongs_elsewhere_is_refused_by_name(
    event: Event, reason: Reason, options: dict[str, object]
) -> None:
    options = dict(options)
    if options.pop("far", False):
        devices = tuple(dataclasses.replace(d, valid_from_s=0.0) for d in event.roster.devices)
        event = Event(event.folder, dataclasses.replace(event.roster, devices=devices), 900)
    assert reasons(judge(event, event.packet(**options))) == {reason: 1}  # type: ignore[arg-type]


def test_an_unknown_key_and_a_revoked_one_are_refused_by_name(event: Event) -> None:
    pipeline = event.pipeline()
    raw = event.packet(seq=8)
    stranger = raw[:5] + bytes([99]) + raw[6:]
    assert reasons(pipeline.accept([event.message(stranger)], NOW_US)) == {Reason.UNKNOWN_KEY: 1}
    pipeline.use_roster(event.revoking(1))
    assert reasons(pipeline.accept([event.message(raw)], NOW_US)) == {Reason.REVOKED: 1}
    assert pipeline.accept([event.message(event.packet(2, 8))], NOW_US).packets


def test_the_same_bytes_again_are_a_further_hearing_and_other_bytes_a_replay(event: Event) -> None:
    pipeline = event.pipeline()
    raw, forged = event.packet(seq=1, power_w=200.0), event.packet(seq=1, power_w=999.0)
    first = pipeline.accept(
        [event.message(raw, raw), event.message(raw, relay="heli"), event.message(forged)], NOW_US
    )
    assert first.packets == [raw]
    assert [a.heard.relay for a in first.again] == ["moto-1", "heli"]
    assert reasons(first) == {Reason.REPLAY: 1}
    pipeline.commit(first)
    later = pipeline.accept([event.message(raw), event.message(forged)], NOW_US)
    assert later.packets == []
    assert len(later.again) == 1
    assert reasons(later) == {Reason.REPLAY: 1}


def test_a_tick_that_was_not_committed_leaves_no_trace_in_the_windows(event: Event) -> None:
    pipeline = event.pipeline()
    message = event.message(event.packet(seq=2))
    pipeline.accept([message], NOW_US)
    assert len(pipeline.accept([message], NOW_US).packets) == 1


def test_a_bundle_sent_again_is_acknowledged_again_and_its_packets_not_counted(
    event: Event,
) -> None:
    pipeline = event.pipeline()
    message = event.message(event.packet(seq=3))
    pipeline.commit(pipeline.accept([message], NOW_US))
    again = pipeline.accept([message, message], NOW_US)
    assert again.is_empty()
    assert len(again.resent) == 2


def test_another_bundle_under_a_number_is_judged_for_itself_and_told(event: Event) -> None:
    """A thief with the relay's key takes a number first: the relay's own bundle counts too."""
    pipeline = event.pipeline()
    stolen = event.message(event.packet(seq=50))
    number = event.number
    true = event.message(event.packet(seq=51), event.packet(seq=50), number=number)
    pipeline.commit(pipeline.accept([stolen], NOW_US))
    tick = pipeline.accept([true], NOW_US)
    assert tick.packets == [event.packet(seq=51)]
    assert len(tick.again) == 1
    assert not tick.refused
    assert tick.forked == tick.bundles
    assert tick.bundles[0].digest == digest_of(true.payload)
    pipeline.commit(tick)
    for message in (stolen, true):
        later = pipeline.accept([message], NOW_US)
        assert [seen.digest for seen in later.resent] == [digest_of(message.payload)]
        assert later.is_empty()
    third, fourth = (event.message(event.packet(seq=seq), number=number) for seq in (52, 53))
    both = pipeline.accept([third, fourth, third], NOW_US)
    assert len(both.packets) == len(both.forked) == 2
    assert len(both.resent) == 1


def test_a_sender_that_scatters_its_numbers_is_refused_by_rate_until_the_next_minute(
    event: Event,
) -> None:
    pipeline = event.pipeline()
    raw = event.packet(seq=60)
    scattered = [event.message(raw, number=1_000_000 + 1000 * k) for k in range(GROWTH_MAX + 5)]
    tick = pipeline.accept(scattered, NOW_US)
    assert tick.refused == {(Reason.RATE, "relay:moto-1"): 5}
    assert len(tick.bundles) == GROWTH_MAX
    assert pipeline.accept(scattered, NOW_US).bundles == tick.bundles, "a tick judged again"
    heli = event.message(raw, relay="heli", number=1_000_000)
    assert pipeline.accept([heli], NOW_US).bundles
    assert len(pipeline.accept(scattered[-5:], NOW_US + 60_000_000).bundles) == 5


def test_a_bike_that_scatters_its_numbers_is_refused_by_rate_and_nobody_else(event: Event) -> None:
    pipeline = event.pipeline()
    packets = [event.packet(1, 1000 * k) for k in range(GROWTH_MAX + 3)]
    messages = [event.message(*packets[at : at + 100]) for at in range(0, len(packets), 100)]
    tick = pipeline.accept([*messages, event.message(event.packet(2, 7))], NOW_US)
    assert tick.refused == {(Reason.RATE, "kid:00000101"): 3}
    assert len(tick.packets) == GROWTH_MAX + 1


def test_backfill_out_of_order_and_far_behind_the_newest_is_accepted(event: Event) -> None:
    pipeline = event.pipeline()
    for seq in (100_000, 90_000, 3, 99_999, 0):
        tick = pipeline.accept([event.message(event.packet(seq=seq))], NOW_US)
        assert len(tick.packets) == 1, seq
        pipeline.commit(tick)
    old = event.packet(seq=7, at_s=NOW_S - LIVE_AGE_S_MAX - 5)
    tick = pipeline.accept([event.message(old)], NOW_US)
    assert tick.live == [False]


def test_bundles_from_strangers_and_broken_bundles_are_refused_whole(event: Event) -> None:
    good = event.message(event.packet(seq=20))
    cases = {
        Reason.UNKNOWN_KEY: good._replace(topic="up/l/stranger"),
        Reason.MALFORMED: good._replace(topic="up/x/moto-1"),
        Reason.SIGNATURE: good._replace(topic="up/l/heli"),
        Reason.OVERSIZE: good._replace(payload=bytes(2_000_000)),
    }
    for reason, message in cases.items():
        tick = event.pipeline().accept([message], NOW_US)
        assert reasons(tick) == {reason: 1}
        assert not tick.packets
        assert not tick.bundles
    for cut in range(0, len(good.payload), 11):
        tick = event.pipeline().accept([good._replace(payload=good.payload[:cut])], NOW_US)
        assert sum(tick.refused.values()) == 1
        assert not tick.packets


def test_invented_key_ids_do_not_grow_the_counts(event: Event) -> None:
    raw = event.packet(seq=30)
    strangers = [raw[:5] + i.to_bytes(3, "little") + raw[8:] for i in range(1000, 2000)]
    messages = [event.message(*strangers[i : i + 128]) for i in range(0, 1000, 128)]
    tick = event.pipeline().accept(messages, NOW_US)
    assert sum(tick.refused.values()) == 1000
    assert len(tick.refused) <= 257


def test_one_thread_and_many_judge_alike(event: Event) -> None:
    messages: list[Message] = [
        event.message(*(event.packet(1 + k % 3, 1000 + k) for k in range(start, start + 100)))
        for start in range(0, 300, 100)
    ]
    alone, pooled = event.pipeline(1), event.pipeline(4)
    assert alone.accept(messages, NOW_US) == pooled.accept(messages, NOW_US)


def test_a_tick_comes_back_from_its_journal_payload_as_it_was(event: Event) -> None:
    raw = event.packet(seq=40)
    tick = event.pipeline().accept(
        [
            event.message(raw, event.packet(2, 40), b"junk"),
            event.message(raw, relay="heli"),
            event.message(b"x")._replace(payload=b"no bundle"),
        ],
        NOW_US,
    )
    assert tick.again
    assert tick.evidence
    back = decode_stretch([Record(7, Kind.TICK, tick.encode())])
    assert back.number.tolist() == [7]
    assert back.at_us.tolist() == [tick.at_us]
    assert back.packets == tick.packets
    assert back.live.tolist() == tick.live
    assert _rows(back.relays, back.heard) == [heard[:4] for heard in tick.heard]
    assert [tuple(row) for row in back.again.tolist()] == [again[:3] for again in tick.again]
    assert _rows(back.relays, back.again_heard) == [again.heard[:4] for again in tick.again]
    assert back.bundles == [(0, *bundle) for bundle in tick.bundles]
    assert {row[1:3]: row[3] for row in back.refused} == tick.refused
    assert back.evidence == [(0, *evidence) for evidence in tick.evidence]


def _rows(relays: list[str], heard: Hearings) -> list[tuple[str | int, ...]]:
    return [(relays[row[0]], *row[1:]) for row in zip(*(c.tolist() for c in heard), strict=True)]


@pytest.mark.parametrize("payload", [b"", b"no CBOR", cbor2.dumps({1: 1}), cbor2.dumps({1: 99})])
def test_a_journalled_tick_of_another_shape_is_damage(payload: bytes) -> None:
    with pytest.raises(Damaged, match="record 7"):
        decode_stretch([Record(7, Kind.TICK, payload)])


def handed_on(event: Event, message: Message, *, forger: bool = False) -> Message:
    """A bundle of moto-1, as heli hands it on."""
    key = Credentials(event.folder / "relays" / "heli").signing_key("relay")
    frame = Forward("heli", 1, 1, "moto-1", 2, False, message.payload)
    signed = encode_forward(frame, SigningKey(bytes(32)) if forger else key, event.roster.event_id)
    return Message(topics.forwarded("heli"), signed, message.received_at_us)


def test_a_bundle_handed_on_is_its_own_relays_and_its_ack_goes_both_ways(event: Event) -> None:
    raw = event.packet(seq=77)
    message = event.message(raw)
    tick = event.pipeline().accept([handed_on(event, message)], NOW_US)
    assert tick.packets == [raw]
    assert [(b.relay, b.digest) for b in tick.bundles] == [("moto-1", digest_of(message.payload))]
    assert tick.ways == {"moto-1": "heli"}
    both = event.pipeline().accept([message, handed_on(event, message)], NOW_US)
    assert (both.packets, len(both.bundles), len(both.resent)) == ([raw], 1, 1)


def test_a_forged_hand_on_or_a_forged_bundle_in_one_is_refused(event: Event) -> None:
    message = event.message(event.packet(seq=78))
    forged = bytearray(message.payload)
    forged[-1] ^= 1
    inside = handed_on(event, message._replace(payload=bytes(forged)))
    tick = event.pipeline().accept([handed_on(event, message, forger=True), inside], NOW_US)
    assert not tick.packets
    assert reasons(tick) == {"signature": 2}
