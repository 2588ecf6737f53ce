"""Networks that draw good parts beside the memory bank, on real images, in little time.

The sets, their splits and the measures are those of accuracy.py; seed 0 alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from datasets import DATA, RealSet, named
from results_file import Start, circumstances, table, write_section

from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.evaluate import evaluate
from keenline.training.fit import train
from keenline.training.supervised.learners import learner
from keenline.training.supervised.settings import Settings

SECTION = "reconstruction"
SETS = ("magnetic-tile", "kolektorsdd", "cookie")
KINDS = ("memory_bank", "autoencoder", "vae")
ABOUT = """\
One default for every set, seed {seed}, the splits of `accuracy.py`; at most {minutes:g} minutes of
learning each, with one thread ({cpu} of processor time altogether; "epochs" says how far that
went).
False alarms and recall are at the bundle's own threshold. Nothing was chosen on these images."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start, began = Start.now(), time.process_time()
    rows = []
    for real in named(asked.sets or SETS):
        for kind in KINDS:
            rows.append(_row(real, kind, asked))
            print(rows[-1], flush=True)
    header = (
        "set, detector",
        "image AUROC",
        "AP",
        "pixel AUROC",
        "false alarms",
        "recall",
        "epochs",
        "fit s",
        "ms/image",
    )
    cpu = f"{(time.process_time() - began) / 60:.0f} minutes"
    about = ABOUT.format(seed=asked.seed, minutes=asked.minutes, cpu=cpu)
    text = "\n\n".join(
        [
            "## Networks that draw good parts",
            about,
            circumstances(start),
            table(header, rows),
        ]
    )
    print(text)
    if asked.write:
        write_section(SECTION, text)


def _row(real: RealSet, kind: str, asked: argparse.Namespace) -> tuple[object, ...]:
    dataset = real.dataset(asked.seed)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        path = Path(folder) / "part.keen"
        if kind == "memory_bank":
            trained = train(dataset, path, seed=asked.seed)
            seconds, epochs = trained.seconds, "-"
        else:
            import torch

            torch.set_num_threads(1)
            settings = Settings(seconds=60 * asked.minutes, seed=asked.seed)
            learnt = learner(kind).load()(
                dataset,
                path,
                recipe=Recipe(),
                settings=settings,
                resume=False,
                progress=lambda *_: None,
                told=lambda line: print(real.name, kind, dict(line), flush=True),
            )
            seconds, epochs = learnt.seconds, str(learnt.epochs)
        found, _ = evaluate(Inspector.open(path, threads=1), dataset)
    return (
        f"{real.name}, {kind}",
        *(
            "-" if value is None else f"{value:.3f}"
            for value in (
                found.image_auroc,
                found.image_ap,
                found.pixel_auroc,
                found.false_alarm_rate.value,
                found.recall_overall.value,
            )
        ),
        epochs,
        f"{seconds:.0f}",
        f"{found.ms_per_image:.1f}",
    )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[], choices=SETS)
    parser.add_argument("--minutes", type=float, default=3.0, help="of learning, each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
