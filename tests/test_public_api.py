"""The public names do the main job in five lines, and cost nothing until they are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.small_parts import dented, good_folder, good_part, recipe, save_image, tiny_backbone

import keenline

SOURCE = Path(__file__).parents[1] / "src"

HEAVY = ("numpy", "scipy", "onnx", "onnxruntime", "openvino", "sklearn", "skl2onnx", "PIL", "typer")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six good parts to learn from; three good and three dented ones to look at."""
    root = tmp_path_factory.mktemp("part")
    for seed in range(6):
        save_image(root / f"train/good/{seed}.png", good_part(seed))
    for seed in range(3):
        save_image(root / f"test/good/{seed}.png", good_part(100 + seed))
        save_image(root / f"test/dent/{seed}.png", dented(100 + seed, radius=9))
    return root


FIVE_LINES = """
import keenline
data = keenline.open_dataset("DATA")
keenline.train(data, "part.keen", recipe=keenline.load_recipe("part.toml"))
inspector = keenline.Inspector.open("part.keen")
print(inspector.inspect("DATA/test/dent/0.png").decision.verdict)
print(keenline.evaluate(inspector, data)[0].image_auroc)
"""


def test_learn_inspect_and_evaluate_in_five_lines(root: Path, tmp_path: Path) -> None:
    tiny_backbone(tmp_path)
    (tmp_path / "part.toml").write_text(
        'schema = 1\n[detector]\nbackbone = "onnx:tiny2.onnx"\nprecision = "f32"\nbank_size = 32\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIVE_LINES.replace("DATA", root.as_posix())],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    verdict, auroc = done.stdout.split()
    assert verdict == "REVIEW"
    assert float(auroc) > 0.9
    assert done.stderr == ""


def test_evaluation_leaves_training_images_out_and_counts_the_rest(
    root: Path, tmp_path: Path
) -> None:
    data = keenline.open_dataset(root)
    chosen = recipe(backbone=tiny_backbone(tmp_path), precision="f32")
    keenline.train(data, tmp_path / "part.keen", recipe=chosen)
    inspector = keenline.Inspector.open(tmp_path / "part.keen")
    told: list[tuple[str, int, int]] = []
    evaluation, inspected = keenline.evaluate(inspector, data, lambda *step: told.append(step))
    assert {sample.split for sample, _ in inspected} == {"test"}
    assert len(inspected) == 6
    assert told[0][1:] == (0, 6)
    assert told[-1][1:] == (6, 6)
    assert evaluation.image_auroc is not None
    assert evaluation.image_auroc > 0.9


def test_an_evaluation_of_training_images_alone_is_refused(root: Path, tmp_path: Path) -> None:
    chosen = recipe(name="classical")
    keenline.train(
        keenline.open_dataset(good_folder(tmp_path / "parts", 4)),
        tmp_path / "part.keen",
        recipe=chosen,
    )
    inspector = keenline.Inspector.open(tmp_path / "part.keen")
    data = keenline.open_dataset(root)
    only_train = type(data)(data.root, tuple(s for s in data.samples if s.split == "train"))
    with pytest.raises(keenline.KeenlineError) as caught:
        keenline.evaluate(inspector, only_train)
    assert "KL1201" in str(caught.value)


@pytest.mark.parametrize("name", keenline.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(keenline, name)
    assert found.__name__ == name
    assert found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        keenline.trian  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    program = "import sys, keenline, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint(HEAVY)
