"""Runs one measurement of Keenline in a fresh process and prints its result as JSON.

    python keenline_worker.py TASK '{"argument": value}'

The counterpart of `anomalib_worker.py`: the same tasks, the same arguments, the same results.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def load() -> dict[str, Any]:
    """Seconds to import the public names, and (`ready_seconds`) all that inspects."""
    start = time.perf_counter()
    importlib.import_module("keenline")
    seconds = time.perf_counter() - start
    for name in ("keenline.inference.inspector", "keenline.inference.openvino"):
        importlib.import_module(name)
    return {
        "seconds": seconds,
        "ready_seconds": time.perf_counter() - start,
        "rss_mb": _rss_mb(),
    }


def fit(images: str, out: str, backbone: str, size: int | str = "auto") -> dict[str, Any]:
    """Learn a folder of good images, decoding and the threshold included."""
    from keenline.data.importers import open_dataset
    from keenline.recipe import DetectorSettings, ImageSettings, Recipe
    from keenline.training.fit import train

    recipe = Recipe(image=ImageSettings(size=size), detector=DetectorSettings(backbone=backbone))
    start, busy = time.perf_counter(), time.process_time()
    trained = train(open_dataset(Path(images)), out, recipe=recipe, seed=0)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    facts = trained.bundle.manifest
    return {
        "seconds": seconds,
        "cpu_seconds": busy,
        "model": str(trained.path),
        "precision": facts.engine.precision,
        "peak_rss_mb": _peak_mb(),
        "threshold": facts.threshold.statement,
    }


def inspect(model: str, images: str, threads: int, repeat: int) -> dict[str, Any]:
    """Scores and time per image, decoded array to verdict.

    images: a .npy file with (n, height, width, 3), uint8, RGB.
    """
    import numpy as np

    from keenline.inference.inspector import Inspector

    pictures = np.load(images)
    inspector = Inspector.open(model, threads=threads)
    inspector.inspect(pictures[0])
    scores, times = [], []
    busy = time.process_time()
    for turn in range(repeat):
        for picture in pictures:
            start = time.perf_counter()
            answer = inspector.inspect(picture)
            times.append(1000 * (time.perf_counter() - start))
            if answer.prediction is None:
                raise SystemExit("; ".join(answer.decision.reasons))
            if turn == 0:
                scores.append(answer.prediction.score)
    cpu_ms = 1000 * (time.process_time() - busy) / len(times)
    precision = inspector.manifest.engine.precision
    return {
        **_spread(times),
        "cpu_ms": cpu_ms,
        "scores": scores,
        "rss_mb": _rss_mb(),
        "precision": precision,
    }


def first(model: str, images: str, threads: int) -> dict[str, Any]:
    """One verdict and when it was there (`at`); memory after 50 more."""
    import numpy as np

    from keenline.inference.inspector import Inspector

    inspector = Inspector.open(model, threads=threads)
    picture = np.load(images, mmap_mode="r")[0]
    inspector.inspect(picture)
    at = time.time()
    for _ in range(50):
        inspector.inspect(picture)
    return {"at": at, "rss_mb": _rss_mb()}


def large(model: str, images: str, threads: int, repeat: int) -> dict[str, Any]:
    """As `inspect`, for few large images; `rise_mb`: the peak above what was resident before."""
    import numpy as np

    from keenline.inference.inspector import Inspector

    pictures = np.load(images)
    inspector = Inspector.open(model, threads=threads)
    before = _rss_mb()
    times = []
    for _ in range(repeat):
        for picture in pictures:
            start = time.perf_counter()
            answer = inspector.inspect(picture)
            times.append(1000 * (time.perf_counter() - start))
            if answer.prediction is None:
                raise SystemExit("; ".join(answer.decision.reasons))
    return {**_spread(times), "rise_mb": _peak_mb() - before, "rss_mb": _rss_mb()}


def backbone(name: str, images: str, precision: str, threads: int, repeat: int) -> dict[str, Any]:
    """Time of the backbone alone at full scale, from uint8 to its features.

    `all_ms` is that of the passes at every scale the memory bank looks at.
    """
    import numpy as np

    from keenline.inference.engines import open_engine
    from keenline.models import feature_graph
    from keenline.models.backbones import open_backbone
    from keenline.training.quantize import quantise

    pictures = np.load(images)[:64]
    opened = open_backbone(name)
    times = {}
    for scales in (feature_graph.SCALES[:1], feature_graph.SCALES):
        graph = _features_only(opened, scales, pictures.shape[1:3])
        if precision == "int8":
            graph = quantise(graph, [picture[None] for picture in pictures[:16]])
        engine = open_engine(
            graph.SerializeToString(), name="openvino", precision=precision, threads=threads
        )
        taken = []
        for turn in range(repeat + 1):
            for picture in pictures:
                start = time.perf_counter()
                engine.run(picture[None])
                if turn:
                    taken.append(1000 * (time.perf_counter() - start))
        times[len(scales)] = _spread(taken)["ms"]
    return {"ms": times[1], "all_ms": times[len(feature_graph.SCALES)]}


def _features_only(opened: Any, scales: tuple[float, ...], size: tuple[int, int]) -> Any:
    import numpy as np
    from onnx import TensorProto

    from keenline.models.fed_scales import FED, scaled_size
    from keenline.models.graph_writer import GraphWriter

    about = opened.description
    writer = GraphWriter()
    pixels = writer.op("Cast", "image", to=TensorProto.FLOAT)
    picture = writer.op("Transpose", pixels, perm=[0, 3, 1, 2])
    outputs: dict[str, Any] = {}
    for number, scale in enumerate(scales):
        at_scale = picture
        if scale != 1.0:
            sides = writer.integers(*(scaled_size(n, scale, about.multiple_of) for n in size))
            target = writer.op("Concat", writer.op("Shape", picture, end=2), sides, axis=0)
            at_scale = writer.op("Resize", picture, "", "", target, mode="linear")
        factor, offset = (
            writer.constant(np.array(values, np.float32)[None, :, None, None])
            for values in (about.scale, about.offset)
        )
        scaled = writer.op("Mul", at_scale, factor, name=f"{FED}{number}_scaled")
        fed = writer.op("Add", scaled, offset, name=f"{FED}{number}")
        names = [name for name, _ in opened.levels]
        included = writer.include(opened.model, {about.input: fed}, names, f"s{number}/")
        for (name, level), output in zip(opened.levels, included, strict=True):
            shape = ("batch", level.channels, f"{name}{number}h", f"{name}{number}w")
            outputs[output] = shape
    image = (TensorProto.UINT8, ("batch", *size, 3))
    return writer.model("features", {"image": image}, outputs)


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
    "fit": fit,
    "inspect": inspect,
    "first": first,
    "large": large,
    "backbone": backbone,
}

if __name__ == "__main__":
    found = TASKS[sys.argv[1]](**json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))
    print("RESULT " + json.dumps(found))
