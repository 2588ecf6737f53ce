"""The process that holds the engine: image slots in, answers out, one after the other.

It is a process of its own so that a crash or a hang of an inference library takes neither the
line's verdicts nor its records with it. It ends by itself when the station does.
"""

from __future__ import annotations

import importlib
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from pydantic import TypeAdapter

from keenline.decision import decide
from keenline.errors import KeenlineError
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.station.engine_messages import (
    ANSWER,
    OPENING,
    QUESTION,
    READY,
    Answer,
    Opening,
    Question,
    Ready,
    Slots,
)
from keenline.types import Image, Inspection

_LOOK_S = 0.5

Inspect: TypeAlias = Callable[[Image], Inspection]
"""An image to what was found in it; never raises for what is wrong with one image."""

Factory: TypeAlias = Callable[[Opening], tuple[Inspect, str]]
"""What is opened, to the function that inspects and the name of its engine."""


def bundle_inspector(opening: Opening) -> tuple[Inspect, str]:
    """The factory of every station: the bundle's inspector, judged by the station's recipe."""
    inspector = Inspector.open(Path(opening.bundle), threads=opening.threads)
    recipe = None
    if opening.recipe:
        # The station may take authority away from a class; only the bundle's gates give it.
        asked = Recipe.model_validate_json(opening.recipe)
        recipe = asked.with_authority_of(inspector.manifest.recipe)
    counts = inspector.manifest.training_counts

    def inspect(image: Image) -> Inspection:
        found = inspector.inspect_pixels(image)
        if recipe is None or found.prediction is None:
            return found
        decision = decide(
            found.prediction, threshold=found.threshold, recipe=recipe, training_counts=counts
        )
        return Inspection(
            None, found.size, found.prediction, decision, found.threshold, found.milliseconds
        )

    return inspect, inspector.engine_version


def main(arguments: list[str]) -> None:
    """Serve until the station closes its end of the pipe."""
    # Ctrl-C and the end of a service reach the whole group; the station needs us until its parts
    # in work have their verdicts, and then closes the pipe.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent", daemon=True).start()
    questions, answers, memory, count, factory = arguments
    shared = mmap.mmap(int(memory), 0)  # goes with the process: an engine may hold on to an image
    with os.fdopen(int(questions), "rb") as asked, os.fdopen(int(answers), "wb") as told:
        slots = Slots(memoryview(shared), int(count))
        _serve(asked, told, slots, _named(factory))


def _end_with(parent: int) -> None:
    """End with the station even in the middle of a library that hangs, where no pipe is read."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _serve(asked: BinaryIO, told: BinaryIO, slots: Slots, factory: Factory) -> None:
    lines = _lines(asked)
    opening = OPENING.validate_json(next(lines))
    try:
        inspect, engine = factory(opening)
        for width, height in opening.sizes:
            inspect(np.zeros((height, width, 3), np.uint8))
    except KeenlineError as error:
        _say(told, READY, Ready(str(error), int(error.code)))
        return
    _say(told, READY, Ready(engine=engine))
    for line in lines:
        question = QUESTION.validate_json(line)
        found = inspect(slots.view(question.slot, question.shape))
        _say(told, ANSWER, _answer(question, found))


def _answer(question: Question, found: Inspection) -> Answer:
    prediction = found.prediction
    return Answer(
        question.part,
        question.camera,
        question.slot,
        found.decision.verdict,
        found.decision.reasons,
        found.threshold,
        found.milliseconds,
        None if prediction is None else prediction.score,
        {} if prediction is None else dict(prediction.class_scores),
        () if prediction is None else prediction.regions,
        found.code,
    )


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(file.readline, b"")


def _say(
    file: BinaryIO, kind: TypeAdapter[Ready] | TypeAdapter[Answer], what: Ready | Answer
) -> None:
    file.write(kind.dump_json(what) + b"\n")  # type: ignore[arg-type]
    file.flush()


def _named(name: str) -> Factory:
    module, _, attribute = name.partition(":")
    made: Factory = getattr(importlib.import_module(module), attribute)
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
