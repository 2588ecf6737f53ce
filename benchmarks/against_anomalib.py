"""Keenline and anomalib on the same images turned into the comparison of RESULTS.md.

Both sides run in the same minutes, in turns, each measurement in a fresh process, with the same
number of threads and the same backbone weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import common_images
import goals
from datasets import WEIGHTS
from environments import InstallFailed, anomalib_python, core_python, installed_mb
from results_file import Start, circumstances, write_section
from rounds import ANOMALIB, Variant, anomalib_variants, keenline_variants, measure, measure_alone
from workers import WorkerFailed, ask

ABOUT = """\
Magnetic-tile images squeezed to 256 x 256: {learnt} good ones learnt, 100 good and all defects
of the test half inspected. {threads} threads, batch 1, median of {rounds} rounds in turns. Latency
is from a decoded array to a verdict, preprocessing included: `Inspector.inspect` here,
`OpenVINOInferencer.predict` there. anomalib's backbone holds the weights of
`../shared/weights/resnet18` (features differ from the ONNX graph by {difference:.0e} of their
largest value); its fit is measured without validation images, and so without the thresholds that
Keenline's fit includes."""


def main() -> None:
    asked = _asked()
    if not common_images.are_here():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    ours = keenline_variants(common_images.SIZE)
    theirs, trouble = _peers(asked)
    core, core_trouble = _core()
    with tempfile.TemporaryDirectory(prefix="keenline-") as name:
        folder = Path(name)
        images = common_images.make(folder)
        measure(
            [*ours, *theirs],
            images,
            folder,
            rounds=asked.rounds,
            threads=asked.threads,
            slow_rounds=asked.slow_rounds,
        )
        measure_alone(ours, images, folder, threads=asked.threads)
    their_mb = installed_mb(theirs[0].python) if theirs else None
    peer = goals.Peer(theirs[0] if theirs else None, theirs[1] if theirs else None, their_mb)
    sizes = [*(core for _ in ours), *(their_mb for _ in theirs)]
    difference = theirs[0].number("fit 60", "backbone_difference") if theirs else None
    about = ABOUT.format(
        learnt=60, threads=asked.threads, rounds=asked.rounds, difference=difference or float("nan")
    )
    parts = [
        "## Against anomalib",
        about,
        circumstances(start, others=_versions(theirs)),
        *(f"**Not measured:** {text}" for text in (trouble, core_trouble) if text),
        "### Goals",
        goals.against_goals(ours, core, peer),
        "### Measured",
        goals.measured([*ours, *theirs], sizes),
    ]
    write_section("against-anomalib", "\n\n".join(parts))


def _peers(asked: argparse.Namespace) -> tuple[list[Variant], str]:
    if not (WEIGHTS / "resnet18" / "features.onnx").is_file():
        return [], "anomalib: its backbone's weights are expected in ../shared/weights"
    try:
        python = anomalib_python()
    except (InstallFailed, OSError, subprocess.SubprocessError) as error:
        return [], f"anomalib: {error}"
    variants = anomalib_variants(python, asked.threads)
    if not asked.slow_rounds or asked.quick:
        for variant in variants:
            variant.times_200 = False
    return variants, ""


def _core() -> tuple[float | None, str]:
    try:
        return installed_mb(core_python()), ""
    except (InstallFailed, OSError, subprocess.SubprocessError) as error:
        return None, f"the size of the core install: {error}"


def _versions(theirs: list[Variant]) -> str:
    if not theirs:
        return ""
    try:
        found: dict[str, Any] = ask(
            theirs[0].python, ANOMALIB, "versions", folder=Path.cwd(), arguments={}
        )
    except WorkerFailed:
        return ""
    return "; beside it " + ", ".join(f"{name} {value}" for name, value in found.items())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--slow-rounds", type=int, default=3, help="of anomalib's fits, minutes each"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="without anomalib's fit of 200 images (half an hour)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
