"""Versions of real folders: nothing straddles, nothing moves back, the sealed stays sealed."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from tests.data.picture_files import blank, save, spotted

from keenline.data.dataset_version import SPLITS, DatasetVersion
from keenline.data.dealing import Shares
from keenline.data.importers import open_dataset
from keenline.data.importers.version_file import open_version
from keenline.data.keenset import read_version, versions_in
from keenline.data.seal_log import append, log_of, read_log
from keenline.data.sealed import lock_criteria, open_sealed, require_log
from keenline.data.versioning import create_version
from keenline.errors import Code, DatasetError, KeenlineError, OutputError


def photo(path: Path, seed: int) -> Path:
    return save(path, np.random.default_rng(seed).integers(0, 255, (16, 20), np.uint8))


def photos(root: Path, good: int = 20, dents: int = 10, first: int = 0) -> Path:
    for number in range(first, first + good):
        photo(root / f"good/{number:03}.png", number)
    for number in range(first, first + dents):
        photo(root / f"dent/{number:03}.png", 1000 + number)
    return root


def table(root: Path, rows: dict[str, tuple[str, str]]) -> None:
    """Part and lot of images."""
    lines = [f"{image},{part},{lot}" for image, (part, lot) in rows.items()]
    (root / "provenance.csv").write_text("\n".join(["image,part,lot", *lines]) + "\n")


def splits(version: DatasetVersion) -> dict[str, str]:
    return {sample.path: sample.split for sample in version.samples}


def code_of(caught: pytest.ExceptionInfo[KeenlineError]) -> Code:
    return caught.value.code


# Made


def test_a_version_lists_every_image_with_its_hash_label_and_mask(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    spotted(root / "masks/dent/000.png")
    created = create_version(root, by="Ana")
    assert created.file == root / "v1.keenset"
    assert read_version(created.file) == created.version
    dataset = open_dataset(created.file)
    assert len(created.version.samples) == 30
    assert {sample.label for sample in created.version.samples} == {"good", "dent"}
    folder = open_dataset(root)
    assert dict(folder.hashes()) == {
        root / sample.path: sample.sha256 for sample in created.version.samples
    }
    assert sorted(map(str, dataset.hashes())) == sorted(map(str, folder.hashes()))
    assert "v1.keenset would keep them" in " ".join(folder.notes)


def test_the_same_seed_deals_the_same_and_another_differently(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    first, again, other = (
        create_version(root, tmp_path / f"{name}.keenset", by="Ana", seed=seed).version
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert splits(first) == splits(again)
    assert splits(first) != splits(other)


def test_shares_hold_for_each_class(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=40, dents=20)
    made = create_version(root, by="Ana", shares=Shares(0.3, 0.1, 0.2)).version
    counts = Counter((sample.label, sample.split) for sample in made.samples)
    assert counts["good", "seeded"] == 12
    assert counts["dent", "seeded"] == 6
    assert counts["dent", "acceptance"] == 4
    assert counts["dent", "validation"] == 2


def test_parts_lots_and_copies_never_straddle(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=40, dents=30)
    shutil.copy(root / "dent/003.png", root / "dent/copy.png")
    rows = {f"dent/{n:03}.png": (f"P{n // 2}", f"L{n // 5}") for n in range(30)}
    table(root, rows | {"dent/copy.png": ("", "L5")})
    for seed in range(10):
        file = tmp_path / f"{seed}.keenset"
        made = create_version(root, file, by="Ana", seed=seed).version
        seen: defaultdict[str, set[str]] = defaultdict(set)
        for sample in made.samples:
            keys = {sample.sha256, sample.provenance.part, sample.provenance.lot} - {""}
            for key in keys | {f"group {sample.group}"}:
                seen[key].add(sample.split)
        assert {key: found for key, found in seen.items() if len(found) > 1} == {}
        # The copy ties its lot to that of the original.
        of = {sample.path: sample for sample in made.samples}
        assert of["dent/copy.png"].group == of["dent/003.png"].group == of["dent/025.png"].group


def test_lots_may_be_torn_apart_when_asked_and_parts_still_not(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=8, dents=20)
    table(root, {f"dent/{n:03}.png": (f"P{n // 2}", "L1") for n in range(20)})
    kept = create_version(root, tmp_path / "a.keenset", by="Ana").version
    torn = create_version(root, tmp_path / "b.keenset", by="Ana", across_lots=True).version
    assert {sample.split for sample in kept.samples if sample.label == "dent"} == {"train"}
    assert "dent 1" in " ".join(kept.notes)
    assert len({sample.split for sample in torn.samples if sample.label == "dent"}) > 1
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for sample in torn.samples:
        parts[sample.provenance.part].add(sample.split)
    assert all(len(found) == 1 for part, found in parts.items() if part)


def test_the_version_may_lie_anywhere_and_move_with_its_images(tmp_path: Path) -> None:
    root = photos(tmp_path / "a/photos")
    (tmp_path / "a/sets").mkdir()
    file = create_version(root, tmp_path / "a/sets/first.keenset", by="Ana").file
    assert read_version(file).folder == "../photos"
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert len(open_dataset(tmp_path / "b/sets/first.keenset").samples) == 30


def test_the_folders_own_splits_are_kept_when_asked(tmp_path: Path) -> None:
    root = tmp_path / "plate"
    for number in range(8):
        photo(root / f"train/good/{number}.png", number)
    for number in range(6):
        photo(root / f"test/dent/{number}.png", 100 + number)
    dealt = create_version(root, tmp_path / "a.keenset", by="Ana").version
    kept = create_version(root, tmp_path / "b.keenset", by="Ana", keep_splits=True).version
    assert "train and test are not kept" in " ".join(dealt.notes)
    assert {sample.split for sample in kept.samples if sample.label == "good"} == {"train"}
    assert {sample.split for sample in kept.samples if sample.label == "dent"} == {"seeded"}


def test_a_part_in_two_of_the_folders_own_splits_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "plate"
    for number in range(4):
        photo(root / f"train/good/{number}.png", number)
    photo(root / "test/dent/0.png", 100)
    photo(root / "test/good/7.png", 2)  # equal to a good one to learn from
    with pytest.raises(DatasetError, match=r"2\.png") as caught:
        create_version(root, by="Ana", keep_splits=True)
    assert code_of(caught) is Code.DATASET_LEAK
    assert versions_in(root) == []


def test_good_images_alone_make_a_version(tmp_path: Path) -> None:
    made = create_version(photos(tmp_path / "photos", dents=0), by="Ana").version
    assert Counter(sample.split for sample in made.samples) == Counter(
        train=11, validation=3, seeded=6
    )


def test_one_sample_of_a_class_is_learnt_from_and_that_is_said(tmp_path: Path) -> None:
    made = create_version(photos(tmp_path / "photos", dents=1), by="Ana").version
    assert splits(made)["dent/000.png"] == "train"
    assert "fewer than 4 independent groups" in " ".join(made.notes)


# Followed


def test_nothing_moves_and_new_images_are_dealt(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=30, dents=10)
    first = create_version(root, by="Ana", shares=Shares(acceptance=0.1))
    photos(root, good=30, dents=30, first=100)
    second = create_version(root, by="Ben", parent=first.file, seed=9)
    before, after = splits(first.version), splits(second.version)
    assert {path: after[path] for path in before} == before
    assert second.version.parent == first.version.id
    counts = Counter(split for path, split in after.items() if path.startswith("dent"))
    assert counts["seeded"] == 12  # 30 % of 40
    assert counts["train"] > Counter(s for p, s in before.items() if p.startswith("dent"))["train"]


def test_a_sample_is_known_by_its_content_wherever_it_goes(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    first = create_version(root, by="Ana")
    held = next(path for path, split in splits(first.version).items() if split == "seeded")
    (root / held).rename(root / Path(held).parent / "renamed.png")
    second = create_version(root, by="Ana", parent=first.file)
    assert splits(second.version)[str(Path(held).parent / "renamed.png")] == "seeded"
    assert second.version.gone == ()


def test_a_sample_that_was_saved_anew_or_relabelled_keeps_its_split(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    first = create_version(root, by="Ana")
    good, dent = (
        next(p for p, s in splits(first.version).items() if s == "seeded" and p.startswith(kind))
        for kind in ("good", "dent")
    )
    photo(root / good, 12345)
    (root / dent).rename(root / "good" / "was-dent.png")
    after = splits(create_version(root, by="Ana", parent=first.file).version)
    assert after[good] == "seeded"
    assert after["good/was-dent.png"] == "seeded"


def test_what_was_gone_comes_back_where_it_was_generations_later(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", dents=20)
    first = create_version(root, by="Ana")
    held = [p for p, s in splits(first.version).items() if s == "seeded" and p.startswith("dent")]
    aside = tmp_path / "aside"
    aside.mkdir()
    for path in held:
        shutil.move(root / path, aside / Path(path).name)
    second = create_version(root, by="Ana", parent=first.file)
    assert {gone.path for gone in second.version.gone} == set(held)
    third = create_version(root, by="Ana", parent=second.file)
    for path in held:
        shutil.move(aside / Path(path).name, root / path)
    fourth = create_version(root, by="Ana", parent=third.file, seed=5)
    assert {splits(fourth.version)[path] for path in held} == {"seeded"}
    assert fourth.version.gone == ()


def test_new_images_follow_their_part_even_when_its_others_are_gone(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", dents=20)
    table(root, {f"dent/{n:03}.png": (f"P{n}", "") for n in range(20)})
    first = create_version(root, by="Ana")
    held = next(s for s in first.version.samples if s.split == "seeded" and s.label == "dent")
    (root / held.path).unlink()
    photo(root / "dent/new.png", 555)
    rows = {f"dent/{n:03}.png": (f"P{n}", "") for n in range(20)}
    table(root, rows | {"dent/new.png": (held.provenance.part, "")})
    for seed in range(5):
        file = tmp_path / f"{seed}.keenset"
        second = create_version(root, file, by="Ana", parent=first.file, seed=seed)
        assert splits(second.version)["dent/new.png"] == "seeded"


def test_a_new_image_between_two_splits_is_left_out(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", dents=20)
    rows = {f"dent/{n:03}.png": (f"P{n}", "") for n in range(20)}
    table(root, rows)
    first = create_version(root, by="Ana")
    held, learnt = (
        next(s for s in first.version.samples if s.split == split and s.label == "dent")
        for split in ("seeded", "train")
    )
    photo(root / "dent/new.png", 555)
    # A lot that ties a part held out to one that is learnt from, through the new image.
    table(root, rows | {learnt.path: (learnt.provenance.part, "L9"),
                        "dent/new.png": (held.provenance.part, "L9")})  # fmt: skip
    second = create_version(root, by="Ana", parent=first.file).version
    assert "dent/new.png" not in splits(second)
    assert "left out: 1 (dent/new.png)" in " ".join(second.notes)
    assert splits(second)[held.path] == "seeded"
    assert splits(second)[learnt.path] == "train"
    assert "held in different splits: 1" in " ".join(second.notes)


def test_an_image_whose_part_is_named_later_is_not_gone(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    first = create_version(root, by="Ana")
    table(root, {"dent/000.png": ("P1", "L1")})
    assert create_version(root, by="Ana", parent=first.file).version.gone == ()


def test_a_part_is_remembered_though_a_copy_of_its_image_is_here(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", dents=20)
    shutil.copy(root / "dent/000.png", root / "dent/copy.png")
    rows = {f"dent/{n:03}.png": (f"P{n}", "") for n in range(20)} | {"dent/copy.png": ("P99", "")}
    table(root, rows)
    first = create_version(root, by="Ana")
    (root / "dent/copy.png").unlink()
    photo(root / "dent/new.png", 777)
    table(root, {**rows, "dent/new.png": ("P99", "")})
    second = create_version(root, by="Ana", parent=first.file)
    assert [gone.part for gone in second.version.gone] == []  # the new image speaks for P99
    assert splits(second.version)["dent/new.png"] == splits(first.version)["dent/000.png"]
    (root / "dent/new.png").unlink()
    third = create_version(root, by="Ana", parent=second.file).version
    assert {gone.part for gone in third.gone} == {"P99"}


def test_provenance_is_inherited(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    table(root, {"dent/000.png": ("P1", "L1")})
    first = create_version(root, by="Ana")
    (root / "provenance.csv").unlink()
    second = create_version(root, by="Ana", parent=first.file).version
    (sample,) = (sample for sample in second.samples if sample.path == "dent/000.png")
    assert (sample.provenance.part, sample.provenance.lot) == ("P1", "L1")


def test_a_new_light_set_up_is_said(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    rows = ["image,light", *(f"good/{n:03}.png,ring" for n in range(10))]
    (root / "provenance.csv").write_text("\n".join(rows))
    first = create_version(root, by="Ana")
    assert "learn anew" not in " ".join(first.version.notes)
    (root / "provenance.csv").write_text("\n".join([*rows, "good/015.png,dome"]))
    second = create_version(root, by="Ana", parent=first.file).version
    assert "no image of the version before has, so learn anew: dome" in " ".join(second.notes)


def test_a_folder_with_versions_is_not_dealt_anew(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    create_version(root, by="Ana")
    with pytest.raises(DatasetError, match="--parent") as caught:
        create_version(root, by="Ana")
    assert code_of(caught) is Code.DATASET_PARENT


# Opened


def test_learning_sees_train_and_validation_and_measures_on_the_seeded(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=40, dents=20)
    created = create_version(root, by="Ana", shares=Shares(acceptance=0.2))
    dataset = open_dataset(created.file)
    found = {sample.image.relative_to(root).as_posix(): sample.split for sample in dataset.samples}
    means = {"train": "train", "validation": "train", "seeded": "test"}
    stands = splits(created.version)
    assert found == {p: means[s] for p, s in stands.items() if s != "acceptance"}
    assert "left out: 12" in " ".join(dataset.notes)
    only = open_version(created.file, ("validation",))
    assert {s.image.relative_to(root).as_posix() for s in only.samples} == {
        path for path, split in stands.items() if split == "validation"
    }


def test_groups_stay_together_for_whoever_splits_further(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=8, dents=20)
    table(root, {f"dent/{n:03}.png": (f"P{n}", f"L{n // 4}") for n in range(20)})
    dataset = open_dataset(create_version(root, by="Ana").file)
    parts: defaultdict[str, set[int]] = defaultdict(set)
    for sample in dataset.samples:
        if sample.label == "dent":
            parts[sample.part].add(int(sample.image.stem) // 4)
    assert len(parts) == 5
    assert all(len(lots) == 1 for lots in parts.values())


@pytest.mark.parametrize("fault", ["changed", "gone", "mask"])
def test_images_that_are_not_what_the_version_lists_are_refused(fault: str, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(6):
        photo(root / f"test/dent/{number}.png", number)
        spotted(root / f"ground_truth/dent/{number}_mask.png")
        photo(root / f"train/good/{number}.png", 50 + number)
    created = create_version(root, by="Ana")
    assert all(sample.mask for sample in created.version.samples if sample.label == "dent")
    if fault == "changed":
        photo(root / "test/dent/3.png", 999)
    elif fault == "gone":
        (root / "test/dent/3.png").unlink()
    else:
        blank(root / "ground_truth/dent/3_mask.png")
    with pytest.raises(DatasetError, match="dent/3") as caught:
        open_dataset(created.file)
    assert code_of(caught) is Code.DATASET_VERSION_CONTENT


def test_a_version_says_itself_what_belongs_together(tmp_path: Path) -> None:
    created = create_version(photos(tmp_path / "photos"), by="Ana")
    with pytest.raises(DatasetError) as caught:
        open_dataset(created.file, part_pattern="(?P<part>.)")
    assert code_of(caught) is Code.DATASET_PART_PATTERN


# Sealed

CRITERIA = "c" * 64


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    root = photos(tmp_path / "photos", good=40, dents=20)
    file = create_version(root, by="Ana", shares=Shares(acceptance=0.2)).file
    lock_criteria(file, purpose="acceptance", name="Ana", criteria=CRITERIA)
    return file


def test_the_sealed_set_opens_with_a_purpose_and_a_name(sealed: Path) -> None:
    dataset = open_sealed(sealed, purpose="acceptance of v3", name="Ben", criteria=CRITERIA)
    version = read_version(sealed)
    assert {s.image.relative_to(sealed.parent).as_posix() for s in dataset.samples} == {
        sample.path for sample in version.of("acceptance")
    }
    assert {sample.split for sample in dataset.samples} == {"test"}
    first, second, third = read_log(log_of(sealed))
    assert (first.event, first.who) == ("sealed", "Ana")
    assert (second.event, second.who) == ("locked", "Ana")
    assert (third.event, third.who) == ("opened", "Ben")
    assert third.why == f"acceptance of v3; criteria {CRITERIA}"
    assert third.version == version.id
    assert (second.previous, third.previous) == (first.hash, second.hash)


@pytest.mark.parametrize("criteria", ["", "d" * 64, CRITERIA[:12]])
def test_criteria_that_were_not_locked_before_open_nothing(criteria: str, sealed: Path) -> None:
    with pytest.raises(DatasetError, match="locked before") as caught:
        open_sealed(sealed, purpose="acceptance", name="Ben", criteria=criteria)
    assert code_of(caught) is Code.DATASET_SEALED
    assert [event.event for event in read_log(log_of(sealed))] == ["sealed", "locked"]


@pytest.mark.parametrize(("purpose", "name"), [("", "Ben"), ("look", " "), (" ", "")])
def test_without_a_purpose_or_a_name_it_stays_shut(purpose: str, name: str, sealed: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_sealed(sealed, purpose=purpose, name=name, criteria=CRITERIA)
    assert code_of(caught) is Code.DATASET_SEALED


def test_learning_that_asks_for_the_sealed_set_is_refused_and_logged(sealed: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        open_version(sealed, ("train", "acceptance"))
    assert code_of(caught) is Code.DATASET_SEALED
    assert [event.event for event in read_log(log_of(sealed))] == ["sealed", "locked", "refused"]


def test_the_whole_folder_is_refused_and_logged(sealed: Path) -> None:
    with pytest.raises(DatasetError, match=r"v1\.keenset") as caught:
        open_dataset(sealed.parent)
    assert code_of(caught) is Code.DATASET_SEALED
    assert read_log(log_of(sealed))[-1].event == "refused"


@pytest.mark.parametrize("asked", [".", "..", "good", "plates/deep"])
def test_a_folder_above_or_below_the_sealed_images_is_refused_too(
    asked: str, tmp_path: Path
) -> None:
    root = tmp_path / "all/photos"
    for number in range(20):
        photo(root / f"good/{number:03}.png", number)
        photo(root / f"plates/deep/{number:03}.png", 100 + number)
    file = create_version(root, by="Ana", shares=Shares(acceptance=0.3)).file
    with pytest.raises(DatasetError) as caught:
        open_dataset(root / asked)
    assert code_of(caught) is Code.DATASET_SEALED
    assert read_log(log_of(file))[-1].event == "refused"


def test_a_folder_beside_the_sealed_images_is_not_refused(sealed: Path) -> None:
    beside = photos(sealed.parent / "later/photos", first=500)
    assert len(open_dataset(beside).samples) == 30


def test_the_log_is_there_before_the_version(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", good=40, dents=20)
    log_of(root / "v1.keenset").mkdir(parents=True)  # a log that cannot be written
    with pytest.raises(OutputError):
        create_version(root, by="Ana", shares=Shares(acceptance=0.2))
    assert not (root / "v1.keenset").exists()


def test_a_name_that_is_taken_is_said_before_anything_is_logged(sealed: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        create_version(sealed.parent, sealed, by="Eva", parent=sealed)
    assert code_of(caught) is Code.DATASET_VERSION_EXISTS
    assert len(read_log(log_of(sealed))) == 2


def test_a_version_without_a_sealed_set_has_none_to_open(tmp_path: Path) -> None:
    created = create_version(photos(tmp_path / "photos"), by="Ana")
    assert not log_of(created.file).exists()
    with pytest.raises(DatasetError) as caught:
        open_sealed(created.file, purpose="look", name="Ben", criteria=CRITERIA)
    assert code_of(caught) is Code.DATASET_SEALED
    require_log(created.file)


@pytest.mark.parametrize("damage", ["edited", "cut", "first gone", "torn", "swapped", "gone"])
def test_a_log_that_was_touched_keeps_the_set_shut(damage: str, sealed: Path) -> None:
    for name in ("Ben", "Eva"):
        open_sealed(sealed, purpose="acceptance", name=name, criteria=CRITERIA)
    log = log_of(sealed)
    lines = log.read_bytes().splitlines(keepends=True)
    left = {
        "edited": [*lines[:2], lines[2].replace(b"Ben", b"Bob"), lines[3]],
        "cut": lines[1:],
        "first gone": [*lines[:2], lines[3]],
        "torn": [*lines[:3], lines[3][:-20]],
        "swapped": [*lines[:2], lines[3], lines[2]],
        "gone": [],
    }[damage]
    log.write_bytes(b"".join(left)) if left else log.unlink()
    with pytest.raises(DatasetError) as caught:
        open_sealed(sealed, purpose="acceptance", name="Ben", criteria=CRITERIA)
    assert code_of(caught) is Code.DATASET_SEAL_LOG
    with pytest.raises(DatasetError) as caught:
        open_version(sealed, ("acceptance",))
    assert code_of(caught) is Code.DATASET_SEALED  # still refused, though it cannot be logged


def test_a_last_line_cut_off_is_seen_by_who_noted_its_hash(sealed: Path) -> None:
    noted = append(log_of(sealed), "opened", who="Ben", why="x", version="v").hash
    log = log_of(sealed)
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert noted not in [event.hash for event in read_log(log)]


def test_lines_of_many_at_once_make_one_chain(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    log = tmp_path / "x.keenset.log"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append(log, "opened", who=str(n), why="w", version="v"), range(40)))
    events = read_log(log)
    assert [event.number for event in events] == list(range(1, 41))
    assert {event.who for event in events} == {str(number) for number in range(40)}
    assert all(json.loads(line) for line in log.read_text().splitlines())


# Real images


def test_neu_det_has_defects_alone_and_is_dealt_by_class(shared: Path, tmp_path: Path) -> None:
    made = create_version(shared / "data/neu-det-voc", tmp_path / "n.keenset", by="Ana").version
    counts = Counter((sample.label, sample.split) for sample in made.samples)
    assert len(made.samples) == 600
    assert {label for label, _ in counts} == {each.label for each in made.samples}
    # An image may show several classes and is dealt once, so a class may be one or two off.
    held = [counts[label, "seeded"] / sum(counts[label, s] for s in SPLITS) for label, _ in counts]
    assert min(held) > 0.25
    assert max(held) < 0.35


def test_kolektorsdd_keeps_its_parts_and_the_copied_ones_together(
    shared: Path, tmp_path: Path
) -> None:
    file = tmp_path / "k.keenset"
    made = create_version(shared / "data/kolektorsdd", file, by="Ana").version
    groups: defaultdict[str, set[str]] = defaultdict(set)
    of = {sample.path.split("/")[0]: sample.group for sample in made.samples}
    for sample in made.samples:
        groups[sample.group].add(sample.split)
    assert len(groups) == 13
    assert of["kos01"] == of["kos26"]
    assert all(len(found) == 1 for found in groups.values())
    counts = Counter(sample.split for sample in made.samples if sample.label != "good")
    assert counts["seeded"] in range(3, 6)  # 30 % of 14
    assert len(open_dataset(file).samples) == len(made.samples)
