from cloud_sync.pace import Cap, Pace


def test_a_time_out_grows_with_size_and_with_slowness() -> None:
    pace = Pace()
    assert pace.timeout_s(0) == 20
    assert pace.timeout_s(1 << 20) > 4 * (1 << 20) / pace.bytes_per_s
    slow = pace.timeout_s(1 << 20)
    for _ in range(20):
        pace.saw(1 << 20, 0.5)
    assert pace.timeout_s(1 << 20) == 20 < slow


def test_small_objects_say_nothing_of_the_rate() -> None:
    pace = Pace()
    before = pace.bytes_per_s
    pace.saw(1000, 3.0)
    assert pace.bytes_per_s == before


def test_after_a_time_out_the_next_try_gets_more_time_up_to_a_bound() -> None:
    pace = Pace()
    for _ in range(20):
        pace.saw(1 << 20, 0.1)
    seen = [pace.timeout_s(1 << 20)]
    for _ in range(30):
        pace.gave_up()
        seen.append(pace.timeout_s(1 << 20))
    assert seen == sorted(seen)
    assert seen[-1] == 1280


def test_a_cap_holds_the_mean_rate_and_lets_an_idle_link_go_at_once() -> None:
    cap = Cap(100_000.0)
    assert cap.wait_s(200_000, 50.0) == 0.0
    assert cap.wait_s(100_000, 50.0) == 2.0
    assert cap.wait_s(100_000, 52.5) == 0.5
    assert cap.wait_s(1, 90.0) == 0.0
    assert Cap(0.0).wait_s(1 << 30, 0.0) == 0.0
