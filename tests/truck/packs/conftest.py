"""A truck that trusts a team, made once."""

import pytest
from packed_truck import PackedTruck


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedTruck:
    return PackedTruck(tmp_path_factory.mktemp("packed"))
