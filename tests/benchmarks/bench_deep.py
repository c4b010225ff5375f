"""How near the network comes to what this machine's arithmetic allows: ``make bench-deep
[ARGS=--quick]``.

The floor is the time that the network's multiplications would take at the highest rate that this
machine reaches in a large single-precision matrix product and in a large 3D convolution of the same
library, whichever is faster. One multiplication with its addition counts as two operations; batch
normalisation, pooling and the optimiser count nothing. A training step is three forward passes:
forward, and backward for inputs and for weights. The last line is JSON; `floor_ratio` is a training
step of batch 32 over its floor.

The frozen network's engine is compared in turns with TensorFlow as it is used best: a traced
function of one tumour, on as many threads. `engine_ratio_b1` is the median of TensorFlow's time
over the engine's; `max_abs_diff` is the largest difference of the 512 features of the real tumours,
or of made-up ones where they are not here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from feature_store.imaging.deep_input import deep_input
from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonize_ct
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import load_study, prepared
from models.network.backend import keras
from models.network.cox_loss import negative_cox_log_likelihood
from models.network.onnx_graph import onnx_graph
from models.network.openvino_features import OpenVinoExtractor
from models.network.se_resnet import build_feature_network, build_se_resnet, network_weights
from models.network.weights import INPUT_SHAPE
from tests.support.real_data import real_data_folder, real_study

TRAINING_PASSES = 3
MATRIX = 3072


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    repeats = 3 if parser.parse_args().quick else 7
    peak = max(matrix_rate(repeats), convolution_rate(repeats))
    keras.utils.set_random_seed(1)
    features = build_feature_network()
    operations = forward_operations(features)
    print(
        f"one tumour: {operations / 1e9:.2f} G operations forward; peak {peak / 1e9:.0f} G "
        "operations/s"
    )

    images = np.random.default_rng(0).normal(size=(32, *INPUT_SHAPE, 1)).astype(np.float32)
    infer = {}
    for batch in (1, 8, 32):
        part = keras.ops.convert_to_tensor(images[:batch])
        seconds = median(partial(infer_once, features, part), repeats)
        infer[batch] = seconds
        floor = batch * operations / peak
        print(
            f"inference, batch {batch}: {1e3 * seconds:.1f} ms, floor {1e3 * floor:.1f} ms, "
            f"{seconds / floor:.2f} x"
        )
    ratio, difference, engine = compare_engine(images, repeats)
    print(
        f"{engine}, batch 1: {ratio:.2f} x as fast as TensorFlow, features differ by "
        f"{difference:.1e} at most"
    )
    steps = {kind: training_step(kind == "SE", images, repeats) for kind in ("SE", "no SE")}
    floor = 32 * TRAINING_PASSES * operations / peak
    for kind, seconds in steps.items():
        print(
            f"training step, batch 32, {kind}: {seconds:.2f} s, floor {floor:.2f} s, "
            f"{seconds / floor:.2f} x"
        )
    result = {
        "device": device(),
        "infer_ms_b1": round(1e3 * infer[1], 2),
        "infer_ms_b8": round(1e3 * infer[8], 2),
        "infer_ms_b32": round(1e3 * infer[32], 2),
        "train_step_s_b32": round(steps["SE"], 3),
        "train_step_without_se_s_b32": round(steps["no SE"], 3),
        "peak_gflops": round(peak / 1e9, 1),
        "infer_floor_ratio_b8": round(infer[8] / (8 * operations / peak), 2),
        "engine_ratio_b1": round(ratio, 2),
        "max_abs_diff": float(f"{difference:.2g}"),
        "floor_ratio": round(steps["SE"] / floor, 2),
    }
    print(json.dumps(result))
    return 0


def compare_engine(images: np.ndarray, repeats: int) -> tuple[float, float, str]:
    """Return how much faster the frozen network's engine is than TensorFlow for one tumour, by how
    much their features differ at most, and the engine's name.
    """
    import tensorflow as tf

    network = build_feature_network()
    random = np.random.default_rng(1)
    for weight in network.weights:  # as after a training: no normalisation is the identity
        if weight.path.endswith(("/gamma", "/moving_variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("/beta", "/moving_mean", "/bias")):
            weight.assign(random.normal(0, 0.1, weight.shape))
    light = OpenVinoExtractor(onnx_graph(network_weights(network)))
    traced = tf.function(
        lambda image: network(image, training=False),
        input_signature=[tf.TensorSpec((1, *INPUT_SHAPE, 1), tf.float32)],
    )
    found = real_tumours()
    tumours = found if len(found) else images[:8, ..., 0]
    expected = np.concatenate([traced(one[None, ..., None]).numpy() for one in tumours])
    difference = float(np.abs(light.extract(tumours) - expected).max())
    one = tumours[:1]
    ratios = []
    for _ in range(3 * repeats):
        times = []
        for work in (lambda: traced(one[..., None]).numpy(), lambda: light.extract(one)):
            start = time.perf_counter()
            for _ in range(10):
                work()
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    return statistics.median(ratios), difference, light.engine


def real_tumours() -> np.ndarray:
    """Return the network's inputs of the real studies that are here, shape (n, 64, 64, 64)."""
    folder, settings = real_data_folder(), ExtractionSettings()
    found = [np.empty((0, *INPUT_SHAPE), np.float32)]
    places = [] if folder is None else [folder / "pat1", *sorted((folder / "sts").glob("STS*"))]
    for place in places:
        files = real_study(place)
        study = load_study(read_study(files.ct, files.rtstruct), "gtv.*")
        volume, mask = prepared(study, settings)
        ct = harmonize_ct(volume, settings.spacing_mm)
        found.append(deep_input(ct, harmonize_boxed_mask(mask, volume, ct))[np.newaxis])
    return np.concatenate(found)


def infer_once(network: Any, images: Any) -> np.ndarray:
    """Return the deep features of some images."""
    return np.asarray(network(images, training=False))


def median(work: Callable[[], Any], repeats: int) -> float:
    """Return the median time of `work` in seconds, after two calls that do not count."""
    times = []
    for number in range(repeats + 2):
        start = time.perf_counter()
        work()
        if number >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_rate(repeats: int) -> float:
    """Return operations per second of a large matrix product."""
    matrix = keras.ops.convert_to_tensor(
        np.random.default_rng(0).normal(size=(MATRIX, MATRIX)).astype(np.float32)
    )
    seconds = median(lambda: np.asarray(keras.ops.matmul(matrix, matrix)[0, 0]), repeats)
    return 2 * MATRIX**3 / seconds


def convolution_rate(repeats: int) -> float:
    """Return operations per second of a large 3D convolution."""
    random = np.random.default_rng(0)
    image = keras.ops.convert_to_tensor(
        random.normal(size=(16, 16, 16, 16, 128)).astype(np.float32)
    )
    kernel = keras.ops.convert_to_tensor(random.normal(size=(3, 3, 3, 128, 128)).astype(np.float32))
    seconds = median(
        lambda: np.asarray(keras.ops.conv(image, kernel, padding="same")[0, 0, 0, 0, 0]), repeats
    )
    return 2 * 16 * 16**3 * 27 * 128 * 128 / seconds


def forward_operations(network: Any) -> float:
    """Return the operations of the convolutions for one tumour; the SE modules' dense layers are
    below 0.01 %.
    """
    total = 0.0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv3D):
            total += 2.0 * np.prod(layer.output.shape[1:4]) * np.prod(layer.kernel.shape)
    return total


def training_step(squeeze_excitation: bool, images: np.ndarray, repeats: int) -> float:
    """Return the median time of one step of batch 32 in seconds."""
    keras.utils.set_random_seed(1)
    network = build_se_resnet(squeeze_excitation=squeeze_excitation)
    network.compile(
        keras.optimizers.Adam(1e-4), loss=negative_cox_log_likelihood, jit_compile=False
    )
    outcome = np.column_stack([np.arange(1, 33), np.ones(32)]).astype(np.float32)
    return median(lambda: network.train_on_batch(images, outcome), repeats)


def device() -> str:
    """Return the processor's or the accelerator's name."""
    from tensorflow import config

    accelerators = config.list_physical_devices("GPU")
    if accelerators:
        return str(
            config.experimental.get_device_details(accelerators[0]).get("device_name", "GPU")
        )
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - no file of ours
        model = next(
            (line.partition(":")[2].strip() for line in file if line.startswith("model name")),
            "CPU",
        )
    return f"CPU {model}"


if __name__ == "__main__":
    sys.exit(main())
