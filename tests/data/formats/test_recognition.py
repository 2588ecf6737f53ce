"""Each real folder is recognised by one format, and folders of images alone by none."""

from __future__ import annotations

import pytest

from keenline.data.formats import FORMATS

FOLDERS = {
    "bsdata": "labelme",
    "cookie": "manifest",
    "deeppcb": "deeppcb",
    "formats/coco": "coco",
    "formats/cvat/for_images/export_project": "cvat",
    "formats/cvat/for_images/export_task": "cvat",
    "formats/cvat/for_video": "cvat-video",
    "formats/labelbox/legacy": "labelbox",
    "formats/labelbox/ndjson": "labelbox",
    "formats/labelbox/v1": "labelbox",
    "formats/labelme": "labelme",
    "formats/via1": "via",
    "formats/via2": "via",
    "formats/yolo-seg": "yolo",
    "kolektorsdd": None,
    "line-scan": None,
    "magnetic-tile": None,
    "neu-det-voc": "voc",
    "wood": "yolo",
}


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_real_folder_is_of_one_format(shared, folder):
    found = [one.name for one in FORMATS if one.recognises(shared / "data" / folder)]
    assert found == [name for name in [FOLDERS[folder]] if name]


def test_formats_have_names_of_their_own():
    names = [one.name for one in FORMATS]
    assert len(set(names)) == len(names)
