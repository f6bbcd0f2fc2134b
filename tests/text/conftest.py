"""The small graph that tests of the text reader share with those of the contracts."""

import pytest
from contract_samples import make_graph


@pytest.fixture(scope="session")
def graph():
    return make_graph()
