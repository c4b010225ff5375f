"""Weights are plain arrays with stable bytes, and what goes into the network is checked."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest

from models.errors import BundleError, FeatureMismatchError
from models.network.weights import DEEP_COLUMNS, NetworkWeights, checked_inputs, named_weights


def make_weights(value: float = 1.5) -> NetworkWeights:
    return NetworkWeights(
        {"b/kernel": np.full((2, 3), value, np.float32), "a/bias": np.zeros(4, np.float32)}, False
    )


def test_weights_survive_npz_with_the_same_bytes() -> None:
    weights = make_weights()
    content = weights.to_npz()
    again = NetworkWeights.from_npz(content)
    assert again.to_npz() == content == make_weights().to_npz()
    assert again.digest == weights.digest
    assert again.squeeze_excitation is False
    assert list(again.arrays) == ["a/bias", "b/kernel"]
    np.testing.assert_array_equal(again.arrays["b/kernel"], np.full((2, 3), 1.5))


def test_the_digest_sees_values_shapes_names_and_architecture() -> None:
    kernel = np.ones((2, 3), np.float32)
    variants = [
        NetworkWeights({"a": kernel}),
        NetworkWeights({"a": kernel}, False),
        NetworkWeights({"b": kernel}),
        NetworkWeights({"a": kernel.reshape(3, 2)}),
        NetworkWeights({"a": kernel * np.float32(1 + 1e-6)}),
    ]
    assert len({weights.digest for weights in variants}) == len(variants)


def test_weights_are_named_from_their_file_as_in_memory() -> None:
    for weights in (make_weights(), NetworkWeights({"z": np.ones((3, 2), np.float32)})):
        found = named_weights(io.BytesIO(weights.to_npz()))
        assert found == (weights.digest, weights.squeeze_excitation)


def test_a_file_of_large_weights_is_named_in_the_memory_of_its_largest_array() -> None:
    each = np.zeros(2**20, np.float32)
    file = io.BytesIO(NetworkWeights({str(one): each for one in range(12)}).to_npz())
    tracemalloc.start()
    try:
        named_weights(file)
        assert tracemalloc.get_traced_memory()[1] < 3 * each.nbytes
    finally:
        tracemalloc.stop()


def test_weights_cannot_change() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_weights().arrays["a/bias"][0] = 1


def test_unusable_weights_are_refused() -> None:
    with pytest.raises(BundleError, match="a/bias are not finite"):
        NetworkWeights({"a/bias": np.array([np.nan], np.float32)})
    with pytest.raises(BundleError, match="no weights"):
        NetworkWeights({})


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"squeeze_excitation": np.array(True)}, "no weights"),
        ({"a": np.ones(3, np.float32)}, "not a readable npz"),
        ({"a": np.array([np.inf]), "squeeze_excitation": np.array(True)}, "a are not finite"),
        ({"a": np.array([{}]), "squeeze_excitation": np.array(True)}, "not a readable npz"),
    ],
)
def test_a_file_of_unusable_weights_is_refused(arrays: dict[str, Any], why: str) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    for read in (NetworkWeights.from_npz, lambda content: named_weights(io.BytesIO(content))):
        with pytest.raises(BundleError, match=why):
            read(buffer.getvalue())


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 and then nothing of a zip"])
def test_bytes_that_are_no_weights_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="not a readable npz"):
        NetworkWeights.from_npz(content)
    with pytest.raises(BundleError, match="not a readable npz"):
        named_weights(io.BytesIO(content))


def test_pickled_objects_are_never_read() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, squeeze_excitation=np.array(True), kernel=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BundleError, match="not a readable npz"):
        NetworkWeights.from_npz(buffer.getvalue())


def test_inputs_are_checked() -> None:
    assert checked_inputs(np.zeros((2, 64, 64, 64))).dtype == np.float32
    with pytest.raises(
        FeatureMismatchError, match=r"shape \(64, 64, 64\): expected \(patients, 64, 64, 64\)"
    ):
        checked_inputs(np.zeros((64, 64, 64)))
    with pytest.raises(FeatureMismatchError, match="not finite"):
        checked_inputs(np.full((1, 64, 64, 64), np.nan))


def test_there_are_512_columns() -> None:
    assert (DEEP_COLUMNS[0], DEEP_COLUMNS[-1], len(set(DEEP_COLUMNS))) == (
        "deep:000",
        "deep:511",
        512,
    )
