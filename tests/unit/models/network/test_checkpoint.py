"""A checkpoint comes back as it was, and one that is damaged or of another training is no
checkpoint.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.network.checkpoint import Checkpoint, Epoch, read_checkpoint


def test_what_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "network.ckpt"
    values = {
        "0000": np.arange(6, dtype=np.float32).reshape(2, 3),
        "0001": np.array(7, dtype=np.uint32),
    }
    curve = (Epoch(1, 1.25, None, True), Epoch(2, 0.1 + 0.2, 3.5, False))
    assert read_checkpoint(path, "a") is None
    Checkpoint("a", curve, values, {"0000": np.array(3)}, {"stem/kernel": np.ones(2)}).write(path)
    again = read_checkpoint(path, "a")
    assert again is not None
    assert again.curve == curve
    assert again.variables["0001"].dtype == np.uint32
    np.testing.assert_array_equal(again.variables["0000"], values["0000"])
    assert set(again.best) == {"stem/kernel"}
    assert [file.name for file in tmp_path.iterdir()] == ["network.ckpt"]
    assert read_checkpoint(path, "b") is None
    path.write_bytes(path.read_bytes()[:-40])
    assert read_checkpoint(path, "a") is None
