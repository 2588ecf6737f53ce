"""Inspectors for the engine's process that take their time, or never answer."""

from __future__ import annotations

import time

from keenline.station.engine_messages import Opening
from keenline.station.engine_worker import Inspect, bundle_inspector
from keenline.types import Image, Inspection

SLOW_S = 0.04


def delayed(opening: Opening, seconds: float) -> tuple[Inspect, str]:
    """The bundle's inspector, so many seconds later."""
    inspect, engine = bundle_inspector(opening)

    def slowly(image: Image) -> Inspection:
        time.sleep(seconds)
        return inspect(image)

    return slowly, engine


def slow(opening: Opening) -> tuple[Inspect, str]:
    """The bundle's inspector, on a processor that manages 25 images a second."""
    return delayed(opening, SLOW_S)


def hanging(opening: Opening) -> tuple[Inspect, str]:
    """It loads, and then never answers."""

    def hang(image: Image) -> Inspection:
        if image.any():  # not those that are tried while it loads
            time.sleep(3600)
        raise AssertionError(opening.bundle)

    return hang, "hanging"
