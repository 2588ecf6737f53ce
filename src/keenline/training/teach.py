"""A bundle and labelled defects turned into a bundle that also tells the classes of defects apart.

What was learnt from good parts stays as it is and goes on asking for a review of anything strange;
the classes come beside it, in the same graph and from the same features.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import (
    GRAPH,
    Bundle,
    ClassFacts,
    TaughtFacts,
    check_writable,
    read_bundle,
    write_bundle,
)
from keenline.data.dataset import Dataset, Skipped
from keenline.data.reading import read_image
from keenline.data.synthetic_index import SyntheticSample
from keenline.errors import BundleError, Code, TrainingError
from keenline.inference.engine import Engine
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import Framing
from keenline.inference.scoring import Scorer
from keenline.models.base import Progress, silent
from keenline.models.class_head import (
    HEAD,
    ClassHead,
    cells_graph,
    embeds,
    with_head,
    without_head,
)
from keenline.training.calibrate import agreeing
from keenline.training.class_names import notes_on_names
from keenline.training.class_thresholds import class_threshold, logit
from keenline.training.confirmed_misses import MISS_WEIGHT, cell_weights, is_confirmed_miss
from keenline.training.fit import part_numbers
from keenline.training.head_fit import fit_head
from keenline.training.labelled_cells import Cells, draw_cells
from keenline.training.lesson_samples import (
    FOLDS,
    classes_of,
    dealt,
    highest,
    inspected_cells,
    usable_samples,
)
from keenline.training.synthetic_cells import (
    LARGEST_SHARE,
    SyntheticCells,
    Used,
    check_share,
    draw_synthetic,
)
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class Taught:
    """The new bundle and how it came about."""

    bundle: Bundle
    path: Path
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    skipped: tuple[Skipped, ...]
    seconds: float
    left_out: tuple[LeftOut, ...]
    """What was said of each labelled image while it was left out of learning."""
    synthetic: Used
    """Synthetic images that were learnt from too."""
    confirmed_misses: int
    """Images of defects that had passed at a station; their defects weighed `MISS_WEIGHT`."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A labelled sample, and the confidence of each class by a head that never saw its part."""

    sample: Sample
    scores: Mapping[str, float]
    """Before the shift that makes the chosen confidence 0.5."""


def teach(
    path: Path | str,
    labelled: Dataset,
    *,
    output: Path | str | None = None,
    seed: int = 0,
    folds: int = FOLDS,
    synthetic: Sequence[SyntheticSample] = (),
    share: float = LARGEST_SHARE,
    mostly_synthetic: bool = False,
    progress: Progress = silent,
) -> Taught:
    """Teach a bundle the classes of a dataset; in its place unless `output` is given.

    Of a layout with a training split only that split is read. The dataset needs good images too.
    Each class is measured on parts left out of learning, and taken to be there at the confidence
    that kept the recipe's share of false alarms on them; that confidence becomes 0.5. What the
    bundle was taught before is replaced. Defects that a person found on parts that had
    passed (`keenline review`) weigh more than others of their class.

    folds: times that parts are left out, 2 or more; as many as there are parts is leave-one-out.
    synthetic: learnt from beside the real images, never measured on, and left out with any image
    that they were made from; only of classes that real images show, and of none that was made from
    an image of a test split. share: of synthetic cells among those of each class, at most; 0 to
    `LARGEST_SHARE`, and above it only `mostly_synthetic`.

    Raises BundleError (BUNDLE_CANNOT_UPDATE for a detector without embeddings), DatasetError
    (DATASET_NO_GOOD, DATASET_NO_DEFECT), TrainingError (OPTION_CONFLICT, TOO_FEW_IMAGES,
    VERDICT_PARITY) or OutputError; the bundle is untouched then.
    """
    start = time.perf_counter()
    path = Path(path)
    output = Path(output) if output is not None else path
    check_share(share, mostly_synthetic=mostly_synthetic)
    bundle = read_bundle(path)
    check_writable(output)
    lesson = _Lesson(bundle, path, labelled, progress)
    cells, skipped = lesson.draw(seed)
    made = lesson.draw_synthetic(synthetic, share, seed)
    scores = lesson.leave_out(cells, made, seed, folds)
    head, facts = lesson.learn(made.beside(cells), scores, seed)
    graph = with_head(lesson.graph, head, lesson.mask)
    head, graph = lesson.agreed(head, graph)
    members = dict(bundle.members) | {GRAPH: graph.SerializeToString(), HEAD: head.to_bytes()}
    word = (
        f"{datetime.now(UTC).isoformat(timespec='seconds')}: taught {len(facts)} classes "
        f"from {sum(f.images for f in facts)} labelled images"
    )
    misses = lesson.confirmed_misses
    if misses:
        word += f", {misses} of them confirmed misses that weighed {MISS_WEIGHT:g}"
    used = made.used(cells)
    if used.images:
        among = f"{100 * used.share:.0f} % of the defective cells"
        word += f" and {used.images} synthetic ones, {among}"
    manifest = bundle.manifest.model_copy(
        update={
            "classes": facts,
            "taught": lesson.taught(seed),
            "updates": (*bundle.manifest.updates, word),
        }
    )
    written = write_bundle(output, manifest, members)
    seconds = time.perf_counter() - start
    left_out = lesson.left_out(scores)
    notes = (*lesson.notes(facts), *made.notes)
    unread = (*skipped, *made.skipped)
    return Taught(written, output, notes, unread, seconds, left_out, used, misses)


class _Lesson:
    """What one teaching works on."""

    def __init__(self, bundle: Bundle, path: Path, labelled: Dataset, progress: Progress) -> None:
        self._manifest = bundle.manifest
        self._progress = progress
        self._labelled = labelled
        self._framing = Framing(bundle.manifest.framing)
        self.graph = without_head(onnx.load_from_string(bundle.members[GRAPH]))
        if not embeds(self.graph):
            raise BundleError(
                Code.BUNDLE_CANNOT_UPDATE,
                "This bundle cannot be taught classes",
                where=path,
                expected="the memory_bank detector",
                got=bundle.manifest.detector,
                next="train with detector memory_bank",
            )
        self._samples, self._skipped = usable_samples(labelled, self._framing)
        self._labelled = labelled
        self._hashes = labelled.hashes(self._samples)
        self._parts = np.array(part_numbers(self._samples, self._hashes))
        self._classes = sorted(set().union(*map(classes_of, self._samples)))
        self.mask = inspected_cells(bundle.manifest, self.graph)

    def draw(self, seed: int) -> tuple[Cells, tuple[Skipped, ...]]:
        """Cells of all samples, and every sample that could not be used."""
        engine = self._engine(cells_graph(self.graph, self.mask))
        cells, unread = draw_cells(
            self._samples,
            self._classes,
            engine,
            self._framing,
            mirrored=True,
            rng=np.random.default_rng(seed),
            progress=self._progress,
        )
        gone = {skipped.path for skipped in unread}
        kept = np.array([sample.image not in gone for sample in self._samples])
        if not kept.all():
            places = np.cumsum(kept) - 1
            cells = replace(cells, source=places[cells.source])
            self._samples = [s for s, keep in zip(self._samples, kept, strict=True) if keep]
            self._parts = self._parts[kept]
        return cells, (*self._skipped, *unread)

    def draw_synthetic(
        self, synthetic: Sequence[SyntheticSample], share: float, seed: int
    ) -> SyntheticCells:
        """Cells of the synthetic samples of the classes that real ones show."""
        if not synthetic:
            return SyntheticCells()
        tested = [sample for sample in self._labelled.samples if sample.split == "test"]
        return draw_synthetic(
            synthetic,
            self._classes,
            self._engine(cells_graph(self.graph, self.mask)),
            self._framing,
            share=share,
            tested=self._labelled.hashes(tested).values(),
            rng=np.random.default_rng(seed),
            progress=self._progress,
        )

    def leave_out(
        self, cells: Cells, made: SyntheticCells, seed: int, folds: int
    ) -> NDArray[np.float64]:
        """Confidence of each class for each sample by a head that never saw its part, (samples,
        classes), nor anything made from it; no shift."""
        fold_of = dealt(self._samples, self._parts, self._classes, seed, folds)
        scores = np.full((len(self._samples), len(self._classes)), np.nan)
        last = int(fold_of.max())
        for fold in range(last + 1):
            self._progress("leave parts out", fold, last + 1)
            left_out = fold_of == fold
            unseen = {
                self._hashes[sample.image]
                for sample, is_out in zip(self._samples, left_out, strict=True)
                if is_out
            }
            beside = made.beside(cells.of(~left_out), unseen)
            head = self._fitted(beside, seed)
            scores[left_out] = self._scores(
                with_head(self.graph, head, self.mask),
                self._manifest.engine.name,
                np.flatnonzero(left_out),
            )
        self._progress("leave parts out", last + 1, last + 1)
        return scores

    def learn(
        self, cells: Cells, scores: NDArray[np.float64], seed: int
    ) -> tuple[ClassHead, tuple[ClassFacts, ...]]:
        """The head, and what each class did on parts that were left out (`leave_out`)."""
        head = self._fitted(cells, seed)
        rate = self._manifest.recipe.gates.false_alarm_rate / len(self._classes)
        shift, facts = [], []
        for place, name in enumerate(self._classes):
            bears = np.array([name in classes_of(sample) for sample in self._samples])
            defects = highest(scores[bears, place], self._parts[bears])
            good = np.array([sample.is_good for sample in self._samples])
            clean = highest(scores[good, place], self._parts[good])
            # With one part nothing of it is left to learn from while it is left out.
            tried = defects if len(defects) > 1 else defects[:0]
            limit = class_threshold(tried, clean, rate)
            shift.append(logit(limit))
            facts.append(
                ClassFacts(
                    name=name,
                    images=int(bears.sum()),
                    parts=len(defects),
                    found=int((tried > limit).sum()),
                    tried=len(tried),
                    false_alarms=int((clean > limit).sum()),
                    good=len(clean),
                )
            )
        return replace(head, shift=np.array(shift, np.float32)), tuple(facts)

    def taught(self, seed: int) -> TaughtFacts:
        return TaughtFacts(
            images=len(self._samples),
            parts=len(np.unique(self._parts)),
            data_sha256=replace(self._labelled, samples=tuple(self._samples)).sha256,
            seed=seed,
            dataset_version=self._labelled.version,
        )

    @property
    def confirmed_misses(self) -> int:
        """Images of defects that had passed."""
        return sum(map(is_confirmed_miss, self._samples))

    def left_out(self, scores: NDArray[np.float64]) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(sample, dict(zip(self._classes, map(float, row), strict=True)))
            for sample, row in zip(self._samples, scores, strict=True)
        )

    def agreed(self, head: ClassHead, graph: onnx.ModelProto) -> tuple[ClassHead, onnx.ModelProto]:
        """The head and its graph, such that both engines give every labelled image one verdict."""
        everything = np.arange(len(self._samples))
        found = [self._scores(graph, name, everything) for name in ENGINES]
        higher, lower = np.maximum(*found), np.minimum(*found)
        apart = float((higher - lower).max(initial=0.0))
        if apart > LARGEST_DIFFERENCE:
            raise TrainingError(
                Code.VERDICT_PARITY,
                "The engines do not agree on the classes",
                expected=f"confidences that differ by at most {LARGEST_DIFFERENCE}",
                got=f"{apart:.2f}",
                next="train with --precision f32, and report the processor this happened on",
            )
        limits = [
            agreeing(0.5, higher[:, place], lower[:, place]) for place in range(len(self._classes))
        ]
        if max(limits) == 0.5:
            return head, graph
        moved = np.array([logit(limit) for limit in limits], np.float32)
        head = replace(head, shift=head.shift + moved)
        return head, with_head(self.graph, head, self.mask)

    def notes(self, facts: Sequence[ClassFacts]) -> tuple[str, ...]:
        """What is too little to claim anything from."""
        needed = self._manifest.recipe.gates.minimum_samples_to_reject
        few = [f"{fact.name} {fact.parts}" for fact in facts if fact.parts < needed]
        notes = []
        if few:
            notes.append(
                f"classes with fewer than {needed} parts only ask for a review: {', '.join(few)}"
            )
        once = [fact.name for fact in facts if fact.parts < 2]
        if once:
            notes.append(f"not measured, because there is but one part: {', '.join(once)}")
        return (*notes, *notes_on_names(self._manifest.recipe, self._classes))

    def _fitted(self, cells: Cells, seed: int) -> ClassHead:
        weights = cell_weights(cells, self._samples)
        return fit_head(cells, self._classes, seed=seed, weights=weights)

    def _engine(self, graph: onnx.ModelProto, name: str = "") -> Engine:
        facts = self._manifest.engine
        name = name or facts.name
        # bf16 is an OpenVINO matter; the other engine then runs the same graph in f32.
        other = facts.precision == "bf16" and name == "onnxruntime"
        return open_engine(
            graph.SerializeToString(),
            name=name,
            precision="f32" if other else facts.precision,
            side_by_side=self._framing.facts.tile is not None,
        )

    def _scores(
        self, graph: onnx.ModelProto, engine: str, places: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Confidence of each class for some samples, (samples, classes)."""
        scorer = Scorer(self._engine(graph, engine), self._framing, self._manifest.recipe.inspect)
        depth = self._framing.facts.bit_depth
        found = np.empty((len(places), len(self._classes)))
        for row, place in enumerate(places):
            image = read_image(self._samples[place].image, bit_depth=depth)
            found[row] = scorer.score(image).class_scores
        return found


LARGEST_DIFFERENCE = 0.25
"""Between two engines' confidences of one image: near 0.5, where the slope is steepest, the few
hundredths by which int8 scores differ become this much."""
