"""Work is given to processes or to Ray, and comes back the same, its errors too."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from keenline.batch import on_ray, on_this_machine
from keenline.data.dataset import content_hash
from keenline.errors import Code, EnvironmentMissing, ImageError, TrainingError

HERE = sorted(Path(__file__).parent.glob("test_s*.py"))


def ended_by_the_system(_item: int) -> int:
    os.kill(os.getpid(), 9)
    return 0


def test_one_or_many_processes_give_the_same():
    wanted = [(place, content_hash(path)) for place, path in enumerate(HERE)]
    assert list(on_this_machine(1)(content_hash, HERE)) == wanted
    assert sorted(on_this_machine(2)(content_hash, HERE)) == wanted


def test_an_error_comes_back_whole():
    with pytest.raises(ImageError) as caught:
        list(on_this_machine(2)(content_hash, [*HERE, Path("gone.png")]))
    assert caught.value.code is Code.IMAGE_MISSING
    assert caught.value.where == "gone.png"
    assert str(caught.value).startswith("The image file does not exist [KL1100]")


def test_a_process_that_the_system_ends_is_told_as_short_memory():
    with pytest.raises(TrainingError) as caught:
        list(on_this_machine(2)(ended_by_the_system, [1, 2]))
    assert caught.value.code is Code.MEMORY_SHORT
    assert caught.value.next == "give fewer --jobs"


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_it_says_how_to_get_it():
    with pytest.raises(EnvironmentMissing) as caught:
        on_ray()
    assert caught.value.code is Code.EXTRA_MISSING
    assert "keenline[ray]" in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_gives_the_same():
    fan_out = on_ray(2)
    assert sorted(fan_out(content_hash, HERE)) == sorted(on_this_machine(1)(content_hash, HERE))
    with pytest.raises(ImageError) as caught:
        list(fan_out(content_hash, [Path("gone.png")]))
    assert caught.value.code is Code.IMAGE_MISSING
