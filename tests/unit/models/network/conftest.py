"""The network as it is initialised, once for the tests of this room."""

from __future__ import annotations

from typing import Any

import pytest

from models.network.weights import NetworkWeights


@pytest.fixture(scope="session")
def network() -> Any:
    from models.network.backend import make_deterministic
    from models.network.se_resnet import build_se_resnet

    make_deterministic(3)
    return build_se_resnet()


@pytest.fixture(scope="session")
def weights(network: Any) -> NetworkWeights:
    from models.network.se_resnet import network_weights

    return network_weights(network)
