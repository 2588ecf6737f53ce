"""Judgements of people turned into one line of the ledger of the bundle that they are about.

Each judgement is an entry of the store's audit trail. The ledger gets one line for all that were
made together, with a hash over these entries, so that the chain of the bundle alone says that it
was looked at, by whom and how it stood, and leads to every single judgement.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from keenline.bundle import read_bundle
from keenline.lifecycle.ledger import LedgerLine, append, read_ledger
from keenline.review.queue import confirmed_miss
from keenline.store.chain import content_digest
from keenline.store.remarks import Review, content_of_remark
from keenline.types import Result


def note_session(
    bundle: Path, reviews: Iterable[Review], results: Mapping[str, Result]
) -> LedgerLine | None:
    """Write the line; None where the bundle, as it is or ever was, decided none of the results.

    reviews: those made in one sitting or from one table; results: at least theirs, by id. Raises
    BundleError, OutputError, StoreError (AUDIT_BROKEN).
    """
    now = read_bundle(bundle).sha256
    states = {sha for line in read_ledger(bundle) for sha in (line.before, line.after) if sha}
    states.add(now)
    about = [each for each in reviews if results[each.result_id].bundle_sha256 in states]
    if not about:
        return None
    said = Counter(each.judgement for each in about)
    misses = sum(confirmed_miss(results[each.result_id], each) for each in about)
    words = ", ".join(f"{said[name]} {name}" for name in ("good", "defect", "unclear"))
    people = ", ".join(sorted({each.reviewer for each in about}))
    facts = {
        "judged": str(len(about)),
        "said": words,
        "confirmed misses": str(misses),
        "role": ", ".join(sorted({each.role for each in about})),
        "stations": ", ".join(sorted({each.station for each in about})),
        "calls": calls_sha256(about),
    }
    why = f"{len(about)} results judged: {words}; {misses} of them defects that had passed"
    return append(bundle, "review", who=people, why=why, before=now, after=now, facts=facts)


def calls_sha256(reviews: Iterable[Review]) -> str:
    """SHA-256 over the `content_sha256` of the entries in the audit trail, sorted, one a line."""
    digests = sorted(content_digest(content_of_remark(each)) for each in reviews)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
