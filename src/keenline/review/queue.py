"""A store turned into what waits for a person, and into what random audits say of the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select

from keenline.evaluation.escapes import Escapes
from keenline.random_sample import is_drawn
from keenline.review.order import Asked, OrderSettings, Said, in_order
from keenline.store.database import Database
from keenline.store.queries import Query, narrowed
from keenline.store.remarking import answers_of, results_by_id, reviews_of
from keenline.store.remarks import Review
from keenline.store.rows import KEPT
from keenline.store.schema import images, results, views
from keenline.types import Result, Verdict


@dataclass(frozen=True, slots=True)
class Audited:
    """How far the random audits are."""

    escapes: Escapes
    waiting: int
    """Parts of the sample that nobody has judged yet."""
    passed: int
    """PASS parts of the period, from which the sample was drawn."""
    without_image: int
    """Parts of the sample whose image was not kept, or is gone; nobody can judge them."""


def waiting(
    database: Database, query: Query, settings: OrderSettings, limit: int | None = None
) -> list[Asked]:
    """What a person should look at, in order; only results with an image that is there.

    Raises StoreError.
    """
    found = results_by_id(database, sorted(_with_image(database, query)))
    reviews = by_result(reviews_of(database, found))
    answers = defaultdict(list)
    for answer in answers_of(database, query=query):
        answers[answer.result_id].append(answer)
    order = in_order(found.values(), Said(reviews, answers), settings)
    return order if limit is None else order[:limit]


def audited(database: Database, query: Query, settings: OrderSettings) -> Audited:
    """What the audits of the PASS parts that `query` means have found. Raises StoreError."""
    chosen = narrowed(select(results.c.result_id), query)
    chosen = chosen.where(results.c.verdict == Verdict.PASS.value)
    with database.reading() as connection:
        passed = list(connection.scalars(chosen))
    sample = {each for each in passed if is_drawn(each, settings.audit_share)}
    judged = {key: person(of) for key, of in by_result(reviews_of(database, sample)).items()}
    seen = _with_image(database, query) if sample else set()
    calls = [review.judgement for review in judged.values()]
    escapes = Escapes(len(calls), calls.count("defect"), calls.count("unclear"))
    left = sample - set(judged)
    return Audited(escapes, len(left & seen), len(passed), len(left - seen))


def by_result(reviews: Iterable[Review]) -> dict[str, list[Review]]:
    """Reviews by the result they are of, in the order given."""
    found: dict[str, list[Review]] = {}
    for review in reviews:
        found.setdefault(review.result_id, []).append(review)
    return found


def person(reviews: Sequence[Review]) -> Review:
    """Of the reviews of one result, oldest first and at least one, the one that counts: the newest
    of those whose reviewer was asked, else the newest call of the quality control."""
    asked = [review for review in reviews if review.role == "review"]
    return (asked or reviews)[-1]


def confirmed_miss(result: Result, review: Review) -> bool:
    """Whether a part that passed is, as a person says, defective."""
    return result.decision.verdict is Verdict.PASS and review.judgement == "defect"


def _with_image(database: Database, query: Query) -> set[str]:
    """Results of which at least one image was kept and is still there."""
    here = exists().where(
        views.c.result_id == results.c.result_id,
        images.c.station == results.c.station,
        images.c.sha256 == views.c.image_sha256,
        images.c.state == KEPT,
    )
    chosen = narrowed(select(results.c.result_id), query).where(here)
    newest = chosen.order_by(results.c.time.desc()).limit(query.limit)
    with database.reading() as connection:
        return set(connection.scalars(newest))
