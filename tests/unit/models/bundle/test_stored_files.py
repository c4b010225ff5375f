"""Tests of what is kept of a bundle's large files, and of their bytes when somebody wants them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.bundle.stored_files import BundleFile, StoredNetwork
from models.errors import BundleError
from models.network.weights import NetworkWeights


@pytest.fixture
def weights() -> NetworkWeights:
    return NetworkWeights({"stem/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, False)


@pytest.fixture
def network_file(tmp_path: Path, weights: NetworkWeights) -> BundleFile:
    content = weights.to_npz()
    (tmp_path / "network.npz").write_bytes(content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return BundleFile.listed(tmp_path, "network.npz", entry)


def test_the_weights_come_back_when_they_are_wanted(
    network_file: BundleFile, weights: NetworkWeights
) -> None:
    stored = StoredNetwork.of(network_file)
    assert (stored.digest, stored.squeeze_excitation) == (weights.digest, False)
    assert stored.weights().to_npz() == weights.to_npz()


def test_a_file_that_changes_after_the_bundle_was_loaded_is_refused_when_it_is_wanted(
    network_file: BundleFile,
) -> None:
    stored = StoredNetwork.of(network_file)
    path = network_file.folder / network_file.name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"network\.npz .* was changed after freezing"):
        stored.weights()
    path.unlink()
    with pytest.raises(BundleError, match=r"no readable network\.npz .*copy the whole bundle"):
        stored.weights()


@pytest.mark.parametrize(
    "entry", [None, [], {}, {"size": 3}, {"size": "3", "sha256": "a"}, {"size": 3, "sha256": 5}]
)
def test_an_entry_that_says_too_little_is_refused(tmp_path: Path, entry: object) -> None:
    with pytest.raises(BundleError, match=r"gives no size and SHA-256 of model\.json"):
        BundleFile.listed(tmp_path, "model.json", entry)


def test_a_file_that_holds_no_weights_is_refused_when_the_bundle_is_loaded(tmp_path: Path) -> None:
    content = b"nothing of the kind"
    (tmp_path / "network.npz").write_bytes(content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with pytest.raises(BundleError, match="not a readable npz file"):
        StoredNetwork.of(BundleFile.listed(tmp_path, "network.npz", entry))


def test_a_file_that_was_changed_is_named_as_such_whatever_it_holds(
    network_file: BundleFile,
) -> None:
    network_file.path.write_bytes(b"nothing of the kind")
    with pytest.raises(BundleError, match=r"network\.npz .* was changed after freezing"):
        StoredNetwork.of(network_file)
    network_file.path.unlink()
    with pytest.raises(BundleError, match=r"no readable network\.npz .*copy the whole bundle"):
        StoredNetwork.of(network_file)
