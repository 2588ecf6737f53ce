"""Seeds turned into tiny teachers, folders of images and settings for a few seconds of teaching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from tests.small_parts import good_part, save_backbone, save_image

from keenline.data.procedural import procedural_image
from keenline.models.graph_writer import GraphWriter
from keenline.training.distill_settings import Settings
from keenline.training.student import Shape

TINY = Shape((4, 8, 8, 16), (0, 1, 1))


def tiny_teacher(folder: Path, seed: int = 3, channels: tuple[int, int] = (6, 10)) -> str:
    """Random convolutions at strides 8 and 16 that see no fine detail; answers with `onnx:PATH`."""
    rng = np.random.default_rng(seed)
    fine_channels, coarse_channels = channels
    writer = GraphWriter()
    first = np.kron(rng.normal(0, 0.05, (fine_channels, 3, 2, 2)), np.ones((1, 1, 4, 4)))
    fine = writer.convolution("image", first, rng.normal(0, 0.1, fine_channels), strides=[8, 8])
    writer.op("Relu", fine, name="fine")
    second = rng.normal(0, 0.3, (coarse_channels, fine_channels, 2, 2))
    coarse = writer.convolution("fine", second, np.zeros(coarse_channels), strides=[2, 2])
    writer.op("Relu", coarse, name="coarse")
    model = writer.model(
        "teacher",
        {"image": (1, ("batch", 3, "height", "width"))},
        {
            "fine": ("batch", fine_channels, "h8", "w8"),
            "coarse": ("batch", coarse_channels, "h16", "w16"),
        },
    )
    outputs = {"fine": (fine_channels, 8), "coarse": (coarse_channels, 16)}
    return save_backbone(folder, model, outputs, multiple_of=16, name=f"teacher{seed}")


def image_folder(root: Path, number: int = 60) -> Path:
    """Grey parts and drawn images in two folders; one in 50 is held out by its name."""
    for seed in range(number // 2):
        save_image(root / "parts" / f"{seed:03}.png", good_part(seed))
        drawn = procedural_image(9, seed, side=96)
        (root / "drawn").mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(drawn).save(root / "drawn" / f"{seed:03}.png")
    return root


def settings(*teachers: str, **changed: object) -> Settings:
    """Everything small; `changed` on top."""
    small: dict[str, object] = {
        "steps": 12,
        "shape": TINY,
        "batch": 4,
        "size": 32,
        "final_size": 48,
        "pool": 3,
        "statistics_batches": 3,
        "rate": 1e-2,
    }
    return Settings(teachers, **(small | changed))  # type: ignore[arg-type]
