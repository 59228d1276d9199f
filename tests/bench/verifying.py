"""Packets judged a second, against nothing but the signature check, on one core and on two.

The pipeline counts all of it: bundle signature and CBOR, shape, key, time, replay window, digest,
AES-CCM, Ed25519, values in columns. Both take turns in one run.
"""

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import nacl.bindings
from race import NOW_S, BenchRace

from hardware.packet import SIGNATURE_BYTES, read_header
from hardware.signing import signed_bytes
from truck.pipeline import Message, Pipeline

ROUNDS = 5
Row = tuple[str, float, str, str, float]


def measure(race: BenchRace) -> list[Row]:
    """Rows (name, value, unit, baseline, ratio)."""
    packets = list(chain.from_iterable(race.packets))
    keys = {device.kid: device.sign_public for device in race.roster.devices}
    event = race.roster.event_id
    signed = [
        (
            raw[-SIGNATURE_BYTES:] + signed_bytes(raw[:-SIGNATURE_BYTES], event),
            keys[read_header(raw).kid],
        )
        for raw in packets
    ]
    messages = race.messages(packets, 0)
    now_us = round((NOW_S + len(race.packets)) * 1e6)
    secret = race.truck.secret("event")

    rows: list[Row] = []
    for cores in (1, 2):
        halves = [signed[k::cores] for k in range(cores)]
        pipeline = Pipeline(race.roster, secret, cores)
        with ThreadPoolExecutor(cores) as pool:
            bare_s, judged_s = best_of(
                functools.partial(_bare, pool, halves),
                functools.partial(_judge, pipeline, messages, now_us, len(packets)),
            )
        pipeline.close()
        bare_rate, rate = len(packets) / bare_s, len(packets) / judged_s
        baseline = f"signature check alone, {bare_rate:,.0f}/s on as many cores"
        rows.append(
            (f"packets judged, {cores} core(s)", rate, "packets/s", baseline, rate / bare_rate)
        )
    return rows


def _check(part: list[tuple[bytes, bytes]]) -> None:
    for message, public in part:
        nacl.bindings.crypto_sign_open(message, public)


def _bare(pool: ThreadPoolExecutor, parts: list[list[tuple[bytes, bytes]]]) -> None:
    list(pool.map(_check, parts))


def _judge(pipeline: Pipeline, messages: list[Message], now_us: int, expected: int) -> None:
    accepted = len(pipeline.accept(messages, now_us).packets)
    if accepted != expected:
        raise AssertionError(f"{accepted} of {expected} accepted")


def best_of(*runs: Callable[[], None]) -> list[float]:
    """The shortest of some rounds of each, taken in turns: noise only ever adds."""
    taken_s = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for k, run in enumerate(runs):
            begun_s = time.perf_counter()
            run()
            taken_s[k] = min(taken_s[k], time.perf_counter() - begun_s)
    return taken_s
