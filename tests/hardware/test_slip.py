"""SLIP: any packets come back as they were, whatever stood between them and however it was cut."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.slip import Deframer, encode_frame


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=8), st.data())
def test_packets_come_back_however_the_line_cuts_them(
    packets: list[bytes], data: st.DataObject
) -> None:
    line = b"".join(map(encode_frame, packets))
    deframer, heard = Deframer(80), []
    while line:
        size = data.draw(st.integers(1, len(line)))
        heard += deframer.feed(line[:size])
        line = line[size:]
    assert heard == packets


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=80))
def test_after_any_garbage_the_next_packet_is_heard(garbage: bytes, packet: bytes) -> None:
    deframer = Deframer(80)
    assert deframer.feed(garbage + encode_frame(packet))[-1] == packet


def test_a_frame_without_end_is_bounded_and_counted() -> None:
    deframer = Deframer(100)
    for _ in range(1000):
        assert deframer.feed(b"x" * 100) == []
    assert deframer.oversize == 1
    assert deframer.feed(encode_frame(b"y" * 101)) == []
    assert deframer.oversize == 2
    assert deframer.feed(encode_frame(b"y" * 100)) == [b"y" * 100]


def test_a_broken_escape_is_counted() -> None:
    deframer = Deframer(100)
    assert deframer.feed(b"\xc0ab\xdbx\xc0" + encode_frame(b"good")) == [b"good"]
    assert deframer.malformed == 1
