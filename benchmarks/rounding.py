"""Good validation pictures turned into the table of what int8 leaves of each backbone's features.

No test image is looked at.
"""

from __future__ import annotations

import sys

from datasets import DATA, WEIGHTS
from results_file import Start, circumstances, table, write_section
from validation import VALIDATION, ValidationSet, framing_of

from keenline.inference.bank import EMBEDDING
from keenline.inference.engines import open_engine
from keenline.models.backbones import Backbone, open_backbone
from keenline.models.base import Views
from keenline.models.faithfulness import FAITHFUL, faithfulness
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.memory_bank import DIMENSIONS
from keenline.models.projection import Projection, StreamingPca
from keenline.models.rounding import CALIBRATION_PARTS, COMPARED_PARTS
from keenline.training.quantize import quantise

BACKBONES = ("keenline", "filterbank", "mobilenet_v2", "resnet18", "efficientnetv2_b0")
ABOUT = """\
Share of the variance of the embeddings that is left in int8, at the worst scale, on good pictures
of the validation sets; {calibrated} pictures give the ranges and {compared} of them are compared.
Below {faithful:.0%} a bundle is computed in float32; `none`: the error exceeds the variance."""


def main() -> None:
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    lines = []
    for one in VALIDATION:
        if one.is_here:
            lines.append([one.name, *(_share(one, name) for name in BACKBONES)])
            print(*lines[-1], flush=True)
    about = ABOUT.format(calibrated=CALIBRATION_PARTS, compared=COMPARED_PARTS, faithful=FAITHFUL)
    text = "\n\n".join(
        [
            "## What backbones keep in int8",
            about,
            circumstances(start),
            table(("set", *BACKBONES), lines),
        ]
    )
    write_section("rounding", text)


def _share(one: ValidationSet, name: str) -> str:
    kept = _kept(one, name)
    return f"{kept:.1%}" if kept > 0 else "none"


def _kept(one: ValidationSet, name: str) -> float:
    path = WEIGHTS / name / "features.onnx"
    backbone = open_backbone(f"onnx:{path}" if path.is_file() else name)
    views, size = _views(one, backbone)
    exact = embedding_graph(backbone, _projections(backbone, views, size), size)
    return faithfulness(exact, quantise(exact, views), views[:COMPARED_PARTS])


def _views(one: ValidationSet, backbone: Backbone) -> tuple[list[Views], tuple[int, int] | None]:
    """Good pictures as a bundle sees them, and their common height and width."""
    good = [picture for picture in one.pictures() if picture.is_good]
    framing = framing_of(good, backbone.description.multiple_of)
    seen = good[:: len(good) // CALIBRATION_PARTS][:CALIBRATION_PARTS]
    views = [framing.frame(picture.pixels()).views for picture in seen]
    fixed = framing.facts.fixed_size
    return views, (views[0].shape[1], views[0].shape[2]) if fixed else None


def _projections(
    backbone: Backbone, views: list[Views], size: tuple[int, int] | None
) -> list[Projection]:
    graph = raw_features(backbone, size).SerializeToString()
    engine = open_engine(graph, name="openvino", precision="f32")
    channels = sum(level.channels for _, level in backbone.levels)
    components = [StreamingPca(channels) for _ in SCALES]
    for view in views:
        found = engine.run(view)
        for number, pca in enumerate(components):
            pca.add(found[EMBEDDING.format(number)][0].reshape(channels, -1).T)
    return [pca.projection(DIMENSIONS) for pca in components]


if __name__ == "__main__":
    sys.exit(main())
