"""Runs one measurement inside anomalib's own environment and prints its result as JSON.

    python anomalib_worker.py TASK '{"argument": value}'

Only `against_anomalib.py` calls it, with the Python of the environment it made. Nothing here
imports keenline, and nothing is downloaded: the backbone's weights are read from an ONNX file.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = 256
CLOSE = 1e-4  # how near the loaded backbone's features must be to those of the ONNX graph


def load() -> dict[str, Any]:
    """Import what learning and inference need; seconds, without the interpreter."""
    start = time.perf_counter()
    _let_torchvision_load()
    for name in ("anomalib.models", "anomalib.engine", "anomalib.deploy"):
        importlib.import_module(name)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "ready_seconds": seconds, "rss_mb": _rss_mb()}


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    from importlib.metadata import version

    names = ("anomalib", "torch", "torchvision", "timm", "openvino", "nncf", "lightning", "numpy")
    return {name: version(name) for name in names if importlib.util.find_spec(name)}


def fit(
    images: str, weights: str, out: str, ratio: float, threads: int, calibrate: bool
) -> dict[str, Any]:
    """Learn a folder of good images with PatchCore and export it for OpenVINO.

    Defaults are anomalib's own (256 x 256, layer2 + layer3, 9 neighbours) but for the backbone and
    the share of patches kept, `ratio`. No validation images are given, so the time is that of
    reading, features and selection alone, and the exported scores are the raw ones.
    """
    _limit_memory()
    load()
    import torch
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from anomalib.models import Patchcore

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Patchcore(backbone="resnet18", pre_trained=False, coreset_sampling_ratio=ratio)
    difference = _load_weights(model.model.feature_extractor, weights)
    data = Folder(
        name="good",
        normal_dir=images,
        test_split_mode="none",
        val_split_mode="none",
        num_workers=0,  # its 8 workers only add their start-up time on two cores
    )
    engine = Engine(default_root_dir=f"{out}/runs", accelerator="cpu", enable_progress_bar=False)
    start, busy = time.perf_counter(), time.process_time()
    data.setup("fit")
    engine.fit(model=model, train_dataloaders=data.train_dataloader())
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = _rss_mb(peak=True)
    exported = _export(model, Path(out), images if calibrate else "")
    return {
        "seconds": seconds,
        "cpu_seconds": busy,
        "bank": int(model.model.memory_bank.shape[0]),
        "backbone_difference": difference,
        "model": str(exported),
        "peak_rss_mb": peak,
    }


def inspect(model: str, images: str, threads: int, repeat: int) -> dict[str, Any]:
    """Scores and time per image, decoded array to verdict, of anomalib's OpenVINO inferencer.

    images: a .npy file with (n, 256, 256, 3), uint8, RGB.
    """
    load()
    import numpy as np
    from anomalib.deploy import OpenVINOInferencer

    pictures = np.load(images)
    inferencer = OpenVINOInferencer(
        path=model, device="CPU", config={"INFERENCE_NUM_THREADS": threads}
    )
    inferencer.predict(pictures[0])
    scores, times = [], []
    busy = time.process_time()
    for turn in range(repeat):
        for picture in pictures:
            start = time.perf_counter()
            answer = inferencer.predict(picture)
            times.append(1000 * (time.perf_counter() - start))
            if turn == 0:
                scores.append(float(np.asarray(answer.pred_score).ravel()[0]))
    cpu_ms = 1000 * (time.process_time() - busy) / len(times)
    precision = inferencer.model.get_property("INFERENCE_PRECISION_HINT").to_string()
    return {
        **_spread(times),
        "cpu_ms": cpu_ms,
        "scores": scores,
        "rss_mb": _rss_mb(),
        "precision": precision,
    }


def first(model: str, images: str, threads: int) -> dict[str, Any]:
    """One verdict and when it was there (`at`); memory after 50 more."""
    _let_torchvision_load()
    import numpy as np
    from anomalib.deploy import OpenVINOInferencer

    inferencer = OpenVINOInferencer(
        path=model, device="CPU", config={"INFERENCE_NUM_THREADS": threads}
    )
    picture = np.load(images, mmap_mode="r")[0]
    inferencer.predict(picture)
    at = time.time()
    for _ in range(50):
        inferencer.predict(picture)
    return {"at": at, "rss_mb": _rss_mb()}


def _export(model: Any, out: Path, calibration: str) -> Path:
    """The OpenVINO model of the learnt part; quantised to int8 on the images of `calibration`."""
    from anomalib.data import Folder
    from anomalib.deploy import CompressionType

    asked: dict[str, Any] = {
        "export_root": out,
        "input_size": (SIZE, SIZE),
        # Without this, version 2.7.0 fixes the batch at its example's 2, and its own inferencer,
        # which feeds one image, then fails.
        "onnx_kwargs": {"dynamic_shapes": None},
    }
    if calibration:
        asked["compression_type"] = CompressionType.INT8_PTQ
        asked["datamodule"] = Folder(
            name="calibration",
            normal_dir=calibration,
            normal_split_ratio=0.5,
            val_split_mode="same_as_test",
            num_workers=0,
            eval_batch_size=1,
        )
    return Path(model.to_openvino(**asked))


def _load_weights(extractor: Any, weights: str) -> float:
    """Put the ONNX graph's folded convolutions into timm's ResNet-18; the largest difference left.

    The graph's convolutions already hold the batch normalisation, so each normalisation becomes
    `x + bias`. Raises SystemExit when features differ by more than `CLOSE` of their largest value.
    """
    import numpy as np
    import onnx
    import openvino
    import torch
    from onnx import numpy_helper

    graph = onnx.load(weights).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    network = extractor.feature_extractor
    modules = _in_order_of_use(network)
    if len(modules) != len(convolutions):
        raise SystemExit(f"{len(convolutions)} convolutions in the file, {len(modules)} in timm")
    unused = list(convolutions)
    with torch.no_grad():
        for convolution, normalisation in modules:
            node = next(n for n in unused if arrays[n.input[1]].shape == convolution.weight.shape)
            unused.remove(node)
            convolution.weight.copy_(torch.from_numpy(arrays[node.input[1]].copy()))
            normalisation.running_mean.zero_()
            normalisation.running_var.fill_(1.0 - normalisation.eps)
            normalisation.weight.fill_(1.0)
            normalisation.bias.copy_(torch.from_numpy(arrays[node.input[2]].copy()))
    probe = np.random.default_rng(0).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    # OpenVINO would compute in bf16 on a processor that has it.
    plain = {"INFERENCE_PRECISION_HINT": "f32"}
    wanted = openvino.Core().compile_model(weights, "CPU", plain)(probe)
    got = extractor(torch.from_numpy(probe))
    difference = max(
        float(np.abs(got[name].numpy() - wanted[name]).max() / np.abs(wanted[name]).max())
        for name in ("layer2", "layer3")
    )
    if difference > CLOSE:
        raise SystemExit(f"the loaded backbone differs from the ONNX graph by {difference:.1e}")
    return difference


def _in_order_of_use(network: Any) -> list[tuple[Any, Any]]:
    """Each convolution with its normalisation, in the order in which the graph lists them."""
    pairs = [(network.conv1, network.bn1)]
    for layer in (network.layer1, network.layer2, network.layer3):
        for block in layer:
            pairs += [(block.conv1, block.bn1), (block.conv2, block.bn2)]
            if block.downsample is not None:
                pairs.append((block.downsample[0], block.downsample[1]))
    return pairs


def _let_torchvision_load() -> None:
    """Declare operators of torchvision when its compiled part cannot be loaded.

    A torchvision built for CUDA beside a torch without CUDA refuses to be imported, although
    PatchCore uses none of its compiled operators.
    """
    import torch

    found = importlib.util.find_spec("torchvision")
    folder = Path((found.submodule_search_locations or [""])[0]) if found else Path()
    try:
        for library in folder.glob("_C*.so"):
            torch.ops.load_library(str(library))
    except OSError:
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(declared)  # a declaration ends with its owner


_KEPT: list[Any] = []


def _limit_memory() -> None:
    """Fail alone rather than take the machine along.

    With few images the distances of selection are small enough for the C library's heap, which
    then grows by one copy for every patch selected.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (int(0.8 * total), resource.RLIM_INFINITY))


def _rss_mb(*, peak: bool = False) -> float:
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _spread(times: list[float]) -> dict[str, float]:
    """Median, slow end and fast end; the fast end is what the least disturbed images took."""
    times = sorted(times)
    last = len(times) - 1
    return {
        "ms": statistics.median(times),
        "ms_p95": times[round(0.95 * last)],
        "ms_p05": times[round(0.05 * last)],
    }


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "load": load,
    "versions": versions,
    "fit": fit,
    "inspect": inspect,
    "first": first,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    answer = TASKS[sys.argv[1]](**json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))
    print("RESULT " + json.dumps(answer))
