"""What people marked turned into agreement, counted by hand; and into what most of them said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keenline.annotation import Annotation, BoxShape, EllipseShape, MaskShape, Shape
from keenline.data.labels import LabelledImage
from keenline.data.rasterise import mask_of
from keenline.evaluation.agreement import agreement, category
from keenline.evaluation.consensus import Consensus, consensus
from keenline.evaluation.kappa import cohen

Said = dict[str, dict[str, tuple[Annotation, ...]]]


def mark(name: str = "dent", x: float = 10, shape: Shape | None = None) -> Annotation:
    return Annotation(name, shape or BoxShape(x, 10, 20, 20))


DENT, SCRATCH = mark(), mark("scratch", 50)


def decide(said: Said) -> Consensus:
    return consensus(said, {name: LabelledImage(name, ()) for name in said})


def two(*pairs: tuple[tuple[Annotation, ...], tuple[Annotation, ...]]) -> Said:
    return {f"{n}.png": {"ana": one, "ben": other} for n, (one, other) in enumerate(pairs)}


# Agreement


def test_a_hundred_images_counted_by_hand() -> None:
    said = two(
        *[((), ())] * 60,
        *[((DENT,), (DENT,))] * 30,
        *[((DENT,), ())] * 6,
        *[((), (DENT,))] * 3,
        *[((DENT,), (SCRATCH,))] * 1,
    )
    found = agreement(said)
    assert found.people == ("ana", "ben")
    assert found.classes == ("dent", "scratch")
    rate = found.disagreement
    assert (rate.images, len(rate.different), rate.value) == (100, 10, 0.10)
    # Wilson's interval of 10 of 100.
    assert (rate.lower95, rate.upper95) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert rate.relabel
    (pair,) = found.pairs
    assert pair.kappa == cohen([[30, 6, 1], [3, 60, 0], [0, 0, 0]])
    assert pair.class_kappas["dent"] == cohen([[60, 3], [7, 30]])
    assert pair.disagreement == rate


@pytest.mark.parametrize(("different", "relabel"), [(4, False), (5, False), (6, True)])
def test_above_five_per_cent_is_to_be_labelled_anew(different: int, relabel: bool) -> None:
    said = two(*[((), ())] * (100 - different), *[((DENT,), ())] * different)
    assert agreement(said).disagreement.relabel is relabel


def test_how_far_marks_overlap_by_hand() -> None:
    near, far = mark(x=20), mark(x=200)  # of 20 x 20, moved by 10: a third
    said = two(((DENT,), (DENT,)), ((DENT,), (near,)), ((DENT, far), (DENT,)), ((DENT,), (far,)))
    (pair,) = agreement(said).pairs
    (overlap,) = pair.overlaps
    assert overlap.marks == (5, 4)
    assert (overlap.matched, overlap.same_place) == (3, 2)
    assert overlap.box == overlap.mask == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert overlap.mask95 is not None
    assert overlap.mask95[0] < overlap.mask < overlap.mask95[1]
    assert pair.displaced == ("1.png", "2.png", "3.png")
    assert agreement(said).disagreement.value == 0


def test_three_people_are_compared_in_pairs_and_together() -> None:
    said: Said = {
        "a": {"ana": (DENT,), "ben": (DENT,), "eva": ()},
        "b": {"ana": (), "ben": (), "eva": ()},
        "c": {"ana": (DENT,), "ben": (DENT,)},
        "d": {"eva": (DENT,)},
    }
    found = agreement(said)
    assert [pair.people for pair in found.pairs] == [("ana", "ben"), ("ana", "eva"), ("ben", "eva")]
    assert [pair.disagreement.images for pair in found.pairs] == [3, 2, 2]
    assert [pair.disagreement.value for pair in found.pairs] == [0, 0.5, 0.5]
    assert found.disagreement.images == 3  # d was seen by one
    assert found.disagreement.different == ("a",)
    # Fleiss by hand: (1/3 + 1 + 1) / 3 agree, dent is said of (2/3 + 0 + 1) / 3 = 5/9.
    assert found.kappa.observed == pytest.approx(7 / 9)
    assert found.kappa.expected == pytest.approx((5 / 9) ** 2 + (4 / 9) ** 2)


def test_nothing_to_compare() -> None:
    assert agreement({}).disagreement.value is None
    alone = agreement({"a": {"ana": (DENT,)}})
    assert alone.disagreement.value is None
    assert not alone.disagreement.relabel
    assert alone.kappa.value is None
    assert alone.pairs == ()


def test_the_classes_of_an_image_are_a_set() -> None:
    assert category(()) == "good"
    assert category((SCRATCH, DENT, DENT)) == "dent + scratch"


# Consensus


def three(*said: tuple[Annotation, ...]) -> Said:
    return {"a.png": dict(zip(("ana", "ben", "eva", "kim", "leo"), said, strict=False))}


def test_most_decide_on_the_classes() -> None:
    found = decide(three((DENT,), (DENT, SCRATCH), ()))
    (image,) = found.labels.images
    assert [each.class_name for each in image.annotations] == ["dent"]
    assert found.labels.classes == ("dent",)
    assert not image.is_good
    assert decide(three((DENT,), (), ())).labels.images[0].is_good


def test_a_tie_leaves_the_image_out() -> None:
    found = decide(two(((DENT,), ()), ((DENT,), (DENT,))))
    assert found.undecided == ("0.png",)
    assert [image.name for image in found.labels.images] == ["1.png"]


def test_an_image_that_one_person_saw_is_not_decided() -> None:
    assert decide({"a": {"ana": (DENT,)}}).labels.images == ()


def test_boxes_become_the_box_in_the_middle() -> None:
    found = decide(three((mark(x=10),), (mark(x=12),), (mark(x=13),)))
    (agreed,) = found.labels.images[0].annotations
    assert agreed.shape == BoxShape(12, 10, 20, 20)
    assert agreed.annotator == "ana, ben, eva"
    assert agreed.attributes == (("votes", "3 of 3"),)


def test_other_shapes_become_the_pixels_most_marked() -> None:
    circles = [EllipseShape(x, 30, 12, 12) for x in (28, 30, 33)]
    found = decide(three(*[(mark(shape=shape),) for shape in circles]))
    (agreed,) = found.labels.images[0].annotations
    assert isinstance(agreed.shape, MaskShape)
    masks = [mask_of(shape, (80, 60)) for shape in circles]
    assert (mask_of(agreed.shape, (80, 60)) == (np.sum(masks, axis=0) >= 2)).all()


def test_a_mark_of_one_in_three_goes_and_of_two_stays() -> None:
    found = decide(three((DENT, mark(x=100)), (DENT, mark(x=101)), (mark(x=11), mark(x=300))))
    shapes = [each.shape for each in found.labels.images[0].annotations]
    assert shapes == [BoxShape(10, 10, 20, 20), BoxShape(100.5, 10, 20, 20)]


def test_two_marks_of_one_person_are_never_one() -> None:
    # Ana split what the others took for one: each of hers covers half of theirs and more.
    whole = mark(shape=BoxShape(0, 0, 40, 20))
    parts = mark(shape=BoxShape(0, 0, 22, 20)), mark(shape=BoxShape(18, 0, 22, 20))
    found = decide(three(parts, (whole,), (whole,)))
    (agreed,) = found.labels.images[0].annotations
    assert agreed.shape == BoxShape(0, 0, 40, 20)


def test_a_class_without_one_place_is_said_of_the_whole_image() -> None:
    found = decide(three((mark(x=0),), (mark(x=100),), (mark(x=200),)))
    (agreed,) = found.labels.images[0].annotations
    assert agreed.class_name == "dent"
    assert agreed.shape is None
    assert found.unplaced == ("a.png: dent",)


def test_marks_of_the_whole_image_count_for_the_class() -> None:
    whole = Annotation("dent")
    found = decide(three((whole,), (whole,), ()))
    assert found.labels.images[0].annotations[0].shape is None
    assert found.unplaced == ()


def test_the_image_keeps_what_is_known_of_it() -> None:
    image = LabelledImage("a.png", (SCRATCH,), Path("x/a.png"), (80, 60))
    (decided,) = consensus(three((DENT,), (DENT,)), {"a.png": image}).labels.images
    assert (decided.path, decided.size) == (Path("x/a.png"), (80, 60))
    assert [each.class_name for each in decided.annotations] == ["dent"]
