"""The engine's process by itself: it ends without a word when its station does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.small_parts import dented

from keenline.station.engine_messages import (
    ANSWER,
    OPENING,
    QUESTION,
    READY,
    Opening,
    Question,
)

SLOTS, BYTES = 2, 96 * 64 * 3


@pytest.mark.parametrize("asked", [0, 2])
def test_a_station_that_goes_leaves_no_complaint_of_its_engine(bundle: Path, asked: int) -> None:
    to_read, questions = os.pipe()
    answers, to_write = os.pipe()
    with tempfile.TemporaryFile() as memory:
        memory.truncate(SLOTS * BYTES)
        numbers = [str(n) for n in (to_read, to_write, memory.fileno(), SLOTS)]
        worker = [sys.executable, "-m", "keenline.station.engine_worker", *numbers]
        with subprocess.Popen(
            [*worker, "keenline.station.engine_worker:bundle_inspector"],
            pass_fds=(to_read, to_write, memory.fileno()),
            stderr=subprocess.PIPE,
        ) as process:
            os.close(to_read)
            os.close(to_write)
            with os.fdopen(questions, "wb", buffering=0) as tell, os.fdopen(answers, "rb") as hear:
                tell.write(OPENING.dump_json(Opening(str(bundle), 1)) + b"\n")
                assert READY.validate_json(hear.readline()).error == ""
                image = dented(1)
                for slot in range(asked):
                    os.pwrite(memory.fileno(), image.tobytes(), slot * BYTES)
                    height, width, channels = image.shape
                    question = Question(slot + 1, "top", slot, (height, width, channels))
                    tell.write(QUESTION.dump_json(question) + b"\n")
                    assert ANSWER.validate_json(hear.readline()).part == slot + 1
            _, said = process.communicate(timeout=30)
    assert said == b""
    assert process.returncode == 0
