"""What does not hold is refused by Spark too, and by name where a key is the matter."""

import pytest

pytestmark = pytest.mark.timeout(1800)  # Spark starts in 10 s alone, in minutes in a crowd


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("other-key", "is not for cluster key"),
        ("no-key", "no cluster key or no key map"),
        ("anothers-envelope", "the key of batch truck-1/000000000000 does not open"),
        ("no-envelope", "batch truck-1/000000000000 is not for cluster key"),
        ("swapped", "the objects of truck-1 do not hold rows 0 to 300 once each"),
        ("twice", "the objects of truck-1 do not hold rows 0 to 300 once each"),
        ("flipped", ""),
        ("cut", ""),
        ("missing", "PATH_NOT_FOUND"),
    ],
)
def test_what_does_not_hold_is_refused(spark: dict, name: str, sentence: str) -> None:
    said = spark[name]
    assert isinstance(said, str)
    assert sentence in said
