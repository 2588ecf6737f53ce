"""Keenline's speed and memory on this machine turned into a table, without a peer (minutes)."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import common_images
import goals
from results_file import Start, circumstances, write_section
from rounds import keenline_variants, measure, measure_alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    asked = parser.parse_args()
    if not common_images.are_here():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    variants = keenline_variants(common_images.SIZE)
    with tempfile.TemporaryDirectory(prefix="keenline-") as name:
        folder = Path(name)
        images = common_images.make(folder)
        rounds = {"rounds": asked.rounds, "slow_rounds": asked.rounds}
        measure(variants, images, folder, threads=asked.threads, **rounds)
        measure_alone(variants, images, folder, threads=asked.threads)
    nobody = goals.Peer(None, None, None)
    text = "\n\n".join(
        [
            "## Speed and memory",
            circumstances(start),
            goals.against_goals(variants, None, nobody),
            goals.measured(variants, [None for _ in variants]),
        ]
    )
    print(text)
    if asked.write:
        write_section("speed", text)


if __name__ == "__main__":
    sys.exit(main())
