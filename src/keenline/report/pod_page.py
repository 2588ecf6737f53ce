"""What is known of how size decides whether a defect is found, turned into a page and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from keenline.evaluation.pod import AS_WELL, FEWEST, Pod
from keenline.report.plain_page import figures, paragraph, plain_page, section, table
from keenline.report.pod_chart import pod_chart

_HEAD = ("Class", "Defects", "Found", "a50", "a90", "a90/95", "Claim")
_FOOTER = (
    "P(a) = F(b0 + b1 g(a)), by maximum likelihood on the single hits and misses (MIL-HDBK-1823A, "
    "ASTM E2862). a90/95 is where the lower 95 % bound reaches 90 %: profile likelihood ratio, "
    f"contour 3.84, the largest of the curves within {AS_WELL:g} of the least deviance. It holds "
    "for defects like these, each independent of the others, and for no others."
)


def pod_page(
    pods: Mapping[str, Pod],
    unit: str,
    title: str,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
) -> str:
    """The page as text; `pods` by class, `notes` of all of them."""
    rows = [row_of(name, pod, unit) for name, pod in pods.items()]
    parts = [section("What is found", table(_HEAD, rows), note=_note(pods))]
    if notes:
        parts.append(section("To be known", *(paragraph(f"{note}.") for note in notes)))
    parts += [_class_section(name, pod, unit) for name, pod in pods.items()]
    return plain_page(
        kind="Probability of detection",
        title=title,
        headline=_headline(pods, unit),
        facts=facts,
        sections=parts,
        footer=_FOOTER,
    )


def row_of(name: str, pod: Pod, unit: str) -> tuple[str, ...]:
    """One class as cells of a table."""
    return (
        name,
        str(pod.found.n),
        str(pod.found.events),
        _size(pod.a50, unit),
        _size(pod.a90, unit),
        _size(pod.a90_95, unit),
        "yes" if pod.claimed else "refused",
    )


def pod_record(pod: Pod) -> dict[str, object]:
    """JSON values; sizes in the unit of what was given."""
    return {
        "defects": pod.found.n,
        "found": pod.found.events,
        "smallest": float(pod.sizes[0]) if len(pod.sizes) else None,
        "largest": float(pod.sizes[-1]) if len(pod.sizes) else None,
        "a50": pod.a50,
        "a90": pod.a90,
        "a90_95": pod.a90_95,
        "a90_95_wald": pod.a90_95_wald,
        "curves": [
            {
                "link": curve.link,
                "scale": curve.scale,
                "intercept": curve.intercept,
                "slope": curve.slope,
                "deviance": curve.deviance,
                "null_deviance": curve.null_deviance,
                "plausible": curve in pod.plausible,
            }
            for curve in pod.tried
        ],
        "fit": None if pod.fit is None else asdict(pod.fit) | {"poor": pod.fit.poor},
        "refusals": list(pod.refusals),
        "notes": list(pod.notes),
    }


def _class_section(name: str, pod: Pod, unit: str) -> str:
    parts = [paragraph(f"No a90/95: {reason}.") for reason in pod.refusals]
    parts += [paragraph(f"Note: {note}.") for note in pod.notes]
    parts.append(figures([pod_chart(pod, unit)]))
    if pod.tried:
        rows = [
            (
                f"{curve.link} on {'ln a' if curve.scale == 'log' else 'a'}",
                f"{curve.intercept:.4g}",
                f"{curve.slope:.4g}",
                f"{curve.deviance:.2f}",
                "yes" if curve in pod.plausible else "no",
            )
            for curve in pod.tried
        ]
        parts.append(table(("Curve", "b0", "b1", "Deviance", "Fits as well"), rows))
    return section(name, *parts, note=_fit(pod))


def _fit(pod: Pod) -> str:
    if pod.fit is None:
        return ""
    says = "The curve does not fit" if pod.fit.poor else "Nothing speaks against the curve"
    return (
        f"{says}: Hosmer-Lemeshow chi-square {pod.fit.chi_square:.1f} with {pod.fit.freedom} "
        f"degrees of freedom, p = {pod.fit.p:.2g}. Strokes at the top are defects found, at the "
        "bottom missed; the dashed line is the lower 95 % bound."
    )


def _headline(pods: Mapping[str, Pod], unit: str) -> str:
    claimed = [
        f"{name}: a90/95 {pod.a90_95:.3g} {unit}"
        for name, pod in pods.items()
        if pod.a90_95 is not None
    ]
    refused = len(pods) - len(claimed)
    if refused:
        claimed.append(f"{refused} of {len(pods)} classes without a claim")
    return "; ".join(claimed) + "."


def _note(pods: Mapping[str, Pod]) -> str:
    few = any(pod.found.n < FEWEST for pod in pods.values())
    return f"A claim needs at least {FEWEST} defects of the class." if few else ""


def _size(size: float | None, unit: str) -> str:
    return "–" if size is None else f"{size:.3g} {unit}"
