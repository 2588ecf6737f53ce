"""Facts turned into a manifest with nothing left out, for tests of bundles."""

from __future__ import annotations

from typing import Any

from keenline.bundle import (
    GRAPH,
    EngineFacts,
    FramingFacts,
    Manifest,
    ThresholdFacts,
    TrainingFacts,
)
from keenline.recipe import Recipe

MEMBERS = {GRAPH: b"graph" * 500, "memory.npz": bytes(range(256)) * 20}


def manifest(**changes: Any) -> Manifest:
    """A manifest with nothing left out."""
    facts: dict[str, Any] = {
        "keenline": "0.1.0",
        "created": "2026-01-31T12:00:00+00:00",
        "detector": "memory_bank",
        "recipe": Recipe(),
        "recipe_sha256": Recipe().sha256,
        "framing": FramingFacts(width=96, height=64, fixed_size=True, scale=0.75, multiple=16),
        "threshold": ThresholdFacts(
            value=1.25,
            kind="estimated",
            held_out=6,
            above=0,
            false_alarm_rate=0.05,
            confidence=0.95,
            statement="estimate",
        ),
        "engine": EngineFacts(
            name="openvino",
            precision="f32",
            compared_with="onnxruntime 1.0",
            compared_images=6,
            largest_score_difference=1e-4,
        ),
        "training": TrainingFacts(
            images=6, parts=6, held_out_parts=0, data_sha256="0" * 64, seed=0
        ),
    }
    return Manifest(**(facts | changes))
