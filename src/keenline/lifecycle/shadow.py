"""What a bundle in shadow says of stored images, held against who decided: agreement by class.

Nothing here reaches the line: the images of results that are settled are inspected once more, and
what the bundle says is stored beside the result.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from keenline.bundle import read_bundle
from keenline.errors import Code, StoreError
from keenline.evaluation.intervals import CONFIDENCE, recall_lower_bound
from keenline.evaluation.sequential import Plan, Standing, standing
from keenline.inference.inspector import Inspector
from keenline.lifecycle.ledger import read_ledger
from keenline.lifecycle.readiness import ShadowAgreement
from keenline.review.order import is_alarm, named_classes
from keenline.review.queue import by_result
from keenline.station.shadow_answers import ViewAnswer, shadow_answer
from keenline.store.database import Database
from keenline.store.queries import Query
from keenline.store.remarking import answers_of, results_by_id, reviews_of
from keenline.store.remarks import Review
from keenline.types import Image, Inspection, Result, ShadowAnswer, Verdict

Kind: TypeAlias = Literal[
    "model missed",
    "model false alarm",
    "human missed",
    "human false alarm",
    "station missed",
    "station false alarm",
    "class differs",
    "unclear",
]
"""Of a discrepancy: who was wrong. `human`: the call of the quality control; `unclear`: nobody who
was asked has said yet, or could tell."""

SHADOW_COMPARED = "shadow-compared"
"""Kind of the event of one comparison; facts: the bundle, how many parts, how many differ."""

_SAME_JUDGEMENT = ("stage", "authority", "acceptance", "evidence", "review", "user")
"""Events of a ledger that change a bundle's hash and not whether it alarms or what it names."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One result with what the bundle in shadow says of it, and who decided."""

    result: Result
    answer: ShadowAnswer
    called: Review | None
    """The call of the quality control, where there is one."""
    settled: Review | None
    """The judgement of a person who was asked, where it is clear."""

    @property
    def by(self) -> Literal["human", "station"]:
        """Whose decision the bundle is held against while nobody has settled it."""
        return "human" if self.called else "station"

    @property
    def alarmed(self) -> bool:
        """Whether that decision was an alarm."""
        if self.called:
            return self.called.judgement == "defect"
        return is_alarm(self.result.decision.verdict)

    @property
    def classes(self) -> frozenset[str]:
        """The classes that it named."""
        return frozenset(self.called.classes) if self.called else named_classes(self.result)

    @property
    def kind(self) -> Kind | None:
        """Who was wrong where the two differ; None where they say the same."""
        ours = is_alarm(self.answer.verdict)
        if ours == self.alarmed:
            differs = bool(self.classes) and set(self.answer.classes) != self.classes
            return "class differs" if ours and differs else None
        if self.settled is None:
            return "unclear"
        is_bad = self.settled.judgement == "defect"
        if ours != is_bad:
            return "model missed" if is_bad else "model false alarm"
        if self.by == "human":
            return "human missed" if is_bad else "human false alarm"
        return "station missed" if is_bad else "station false alarm"

    @property
    def differs(self) -> bool:
        """Whether the bundle is, as far as anybody knows, wrong: it says otherwise than the person
        who was asked, or, where nobody was, than who decided. INVALID is wrong."""
        if self.answer.verdict is Verdict.INVALID:
            return True
        truth = self.alarmed if self.settled is None else self.settled.judgement == "defect"
        return is_alarm(self.answer.verdict) != truth

    def about(self, name: str) -> tuple[bool, bool]:
        """Whether the bundle names a class, and whether who knows best does."""
        known = self.classes if self.settled is None else frozenset(self.settled.classes)
        return name in self.answer.classes, name in known


@dataclass(frozen=True, slots=True)
class Comparison:
    """A bundle in shadow held against who decided, over many parts."""

    pairs: tuple[Pair, ...]
    """By the time of the parts."""
    classes: tuple[ShadowAgreement, ...]
    """By class: of the parts on which at least one of the two names it."""
    overall: ShadowAgreement
    """Whether both find anything wrong at all, over every part."""
    kinds: Mapping[Kind, int]
    """Discrepancies, by who was wrong."""
    test: Standing

    @property
    def discrepancies(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.kind is not None)


def asked(
    inspector: Inspector,
    bundle_sha256: str,
    results: Sequence[Result],
    read: Callable[[str], Image],
    kept: Container[str] = frozenset(),
) -> Iterator[ShadowAnswer | None]:
    """What the bundle says of each result; None where not all of its images are there.

    `kept`: SHA-256 of images that were kept after all, though their results do not say so.
    Raises StoreError AUDIT_BROKEN for an image that is not the one that was inspected.
    """
    for result in results:
        images = [
            (view.camera, _image(view.image_sha256, read))
            if view.image_kept or view.image_sha256 in kept
            else (view.camera, None)
            for view in result.views
        ]
        if not images or any(image is None for _, image in images):
            yield None
            continue
        found = [
            (camera, inspector.inspect_pixels(image))
            for camera, image in images
            if image is not None
        ]
        yield shadow_answer(result, bundle_sha256, [_view(*each) for each in found])


def compare(
    answers: Sequence[ShadowAnswer],
    results: Mapping[str, Result],
    reviews: Mapping[str, Sequence[Review]],
    plan: Plan,
) -> Comparison:
    """Hold answers against who decided. Results that are INVALID were not decided and are left out.

    `answers` by the time of the parts, one a result; `reviews` by result, oldest first.
    """
    pairs = tuple(
        _pair(results[answer.result_id], answer, reviews.get(answer.result_id, ()))
        for answer in answers
        if answer.result_id in results
        and results[answer.result_id].decision.verdict is not Verdict.INVALID
    )
    counts: defaultdict[str, list[bool]] = defaultdict(list)
    for pair in pairs:
        settled = pair.settled.classes if pair.settled else ()
        for name in {*pair.answer.classes, *pair.classes, *settled}:
            ours, known = pair.about(name)
            if ours or known:
                counts[name].append(ours != known)
    different = [pair.differs for pair in pairs]
    kinds = Counter(pair.kind for pair in pairs if pair.kind is not None)
    return Comparison(
        pairs=pairs,
        classes=tuple(_agreement(name, counts[name]) for name in sorted(counts)),
        overall=_agreement("any defect", different),
        kinds=dict(kinds),
        test=standing(plan, different),
    )


def compared(bundle: Path, database: Database, query: Query, plan: Plan) -> Comparison:
    """All that a bundle has said of the results that `query` means, held against who decided.

    Raises BundleError, StoreError.
    """
    answers = newest_answers(database, names_of(bundle), query)
    results = results_by_id(database, [answer.result_id for answer in answers])
    ordered = sorted(
        (answer for answer in answers if answer.result_id in results),
        key=lambda answer: (
            results[answer.result_id].trigger.time,
            results[answer.result_id].trigger.number,
        ),
    )
    return compare(ordered, results, by_result(reviews_of(database, results)), plan)


def newest_answers(
    database: Database, names: Sequence[str], query: Query
) -> tuple[ShadowAnswer, ...]:
    """The newest answer on each result of a bundle of these names, the newest name first.

    Raises StoreError.
    """
    newest: dict[str, ShadowAnswer] = {}
    for name in reversed(names):
        for answer in answers_of(database, name, query):
            newest[answer.result_id] = answer
    return tuple(newest.values())


def names_of(bundle: Path) -> tuple[str, ...]:
    """The sha256 that a bundle has and had while it said of each image what it says now.

    A step from stage to stage changes the file's hash and nothing of its judgement, so that what
    it said in shadow counts when it is accepted. Raises BundleError, StoreError AUDIT_BROKEN.
    """
    names = [read_bundle(bundle).sha256]
    for line in reversed(read_ledger(bundle)):
        if line.after == names[-1] and line.before and line.before != line.after:
            if line.event not in _SAME_JUDGEMENT:
                break
            names.append(line.before)
    return tuple(names)


def _pair(result: Result, answer: ShadowAnswer, reviews: Sequence[Review]) -> Pair:
    calls = [each for each in reviews if each.role == "qc" and each.judgement != "unclear"]
    newest = [each for each in reviews if each.role == "review"][-1:]
    clear = [each for each in newest if each.judgement != "unclear"]
    return Pair(result, answer, calls[-1] if calls else None, clear[0] if clear else None)


def _view(camera: str, found: Inspection) -> ViewAnswer:
    said = found.prediction
    if said is None:
        return ViewAnswer(camera, found.decision, None)
    return ViewAnswer(
        camera, found.decision, said.score, [region.class_name for region in said.regions]
    )


def _agreement(name: str, different: Sequence[bool]) -> ShadowAgreement:
    compared, disagreed = len(different), sum(different)
    lower = recall_lower_bound(compared - disagreed, compared, CONFIDENCE)
    return ShadowAgreement(name, compared, disagreed, lower)


def _image(sha256: str, read: Callable[[str], Image]) -> Image | None:
    try:
        return read(sha256)
    except StoreError as error:
        if error.code is Code.AUDIT_BROKEN:
            raise
        return None
