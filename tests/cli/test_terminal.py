"""A real terminal, a pipe, Ctrl-C, and a reader that goes away."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.conftest import SMALL, Keenline, environment, program, write_part

ESCAPE = "\x1b"


def in_terminal(*arguments: object, columns: int = 80, **env: str) -> tuple[int, str]:
    """Exit code and everything a terminal of this width was sent."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        program(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm-256color", COLUMNS=str(columns), **env),
    )
    os.close(theirs)
    sent = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side has closed
            break
        if not piece:
            break
        sent += piece
    os.close(ours)
    return process.wait(timeout=60), sent.decode()


def test_no_control_codes_in_a_pipe(keenline_process: Keenline, learnt: Path, plates: Path):
    ran = keenline_process("inspect", learnt, plates / "test")
    assert ran.code == 0
    assert ESCAPE not in ran.out + ran.err
    assert ran.err == ""


def test_colours_on_a_terminal_unless_they_are_not_wanted(learnt: Path, plates: Path):
    code, sent = in_terminal("inspect", learnt, plates / "test")
    assert code == 0
    colour = re.compile(r"\x1b\[3[0-9]m(PASS|REVIEW)")
    assert colour.search(sent)
    code, sent = in_terminal("inspect", learnt, plates / "test", NO_COLOR="1")
    assert code == 0
    assert "REVIEW" in sent
    assert not colour.search(sent)


def test_bars_on_a_terminal_and_words_within_its_width(plates: Path, tmp_path: Path):
    code, sent = in_terminal("train", plates, "-o", tmp_path / "a.keen", *SMALL)
    assert code == 0
    assert "━" in sent
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent)
    statement = plain[plain.index("threshold") :].splitlines()
    paths = str(tmp_path)
    assert all(len(line) <= 80 for line in statement if paths not in line)


def test_an_error_is_readable_in_a_pipe(keenline_process: Keenline, tmp_path: Path):
    ran = keenline_process("train", tmp_path, "-o", tmp_path / "a.keen")
    assert ran.code == 3
    assert ran.out == ""
    assert ran.err.splitlines()[0] == "The folder holds no images [KL1201]"
    assert ESCAPE not in ran.err


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many good photos that learning takes a while."""
    folder = tmp_path_factory.mktemp("many") / "good"
    for seed in range(60):
        write_part(folder / f"{seed}.png", seed)
    return folder


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.0, 0.3, 1.0])
def test_stopping_leaves_no_unfinished_file(
    many: Path, tmp_path: Path, stop: signal.Signals, after: float
):
    output = tmp_path / "out"
    output.mkdir()
    process = subprocess.Popen(
        program("train", many, "-o", output / "a.keen", "--size", 512),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "data" in process.stdout.readline()  # it has read the folder and is learning
    time.sleep(after)
    process.send_signal(stop)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if stop is signal.SIGINT else 143)
    assert "Traceback" not in err
    assert list(output.iterdir()) == []
    if stop is signal.SIGINT:
        assert err.strip() == "Stopped. No unfinished file was left behind."


def test_a_reader_that_goes_away_is_no_error(learnt: Path, plates: Path):
    process = subprocess.Popen(
        program("inspect", learnt, *[plates / "test"], "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=60)


def test_help_is_there_at_once(keenline_process: Keenline):
    ran = keenline_process("--help")
    assert ran.code == 0
    for command in ("demo", "train", "inspect", "evaluate", "update", "bench", "doctor"):
        assert command in ran.out
    assert "130: stopped with Ctrl-C" in ran.out


def test_help_loads_nothing_slow():
    slow = "numpy onnx onnxruntime openvino scipy sklearn skl2onnx pydantic PIL"
    words = f"import sys, keenline.cli.app; print([n for n in {slow.split()} if n in sys.modules])"
    command = [*program()[:1], "-c", words]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version(keenline_process: Keenline):
    from keenline import __version__

    assert keenline_process("--version").out == f"keenline {__version__}\n"
