"""How often one may ask: a burst, then a pace, in a table that stays small."""

from truck.serve.limits import Buckets, neighbourhood


def test_a_bucket_gives_a_burst_then_its_pace() -> None:
    buckets = Buckets(per_s=2.0, burst=5.0)
    assert [buckets.take("a", 10.0) for _ in range(5)] == [0.0] * 5
    assert buckets.take("a", 10.0) == 0.5
    assert buckets.take("b", 10.0) == 0.0, "another's bucket is his own"
    assert buckets.take("a", 10.5) == 0.0
    assert buckets.take("a", 10.5) == 0.5
    assert buckets.take("a", 9.0) > 0.0, "a clock that steps back gives nothing"
    assert [buckets.take("a", 100.0) for _ in range(6)][-1] > 0.0, "and no more than a burst"


def test_a_million_addresses_fill_no_memory_and_the_busy_one_is_not_forgotten() -> None:
    buckets = Buckets(per_s=0.001, burst=1.0, rows_max=100)
    assert buckets.take("flood", 0.0) == 0.0
    for n in range(10_000):
        buckets.take(f"other-{n}", 0.0)
        assert buckets.take("flood", 0.0) > 0.0
    assert len(buckets) == 100


def test_one_user_of_ipv6_has_one_bucket() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:2")
    assert neighbourhood("2001:db8::1") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("::ffff:10.0.0.1") == neighbourhood("10.0.0.1") == "10.0.0.1"
    assert neighbourhood("fe80::1%eth0") == "fe80::/64"
    assert neighbourhood("testclient") == "testclient"
