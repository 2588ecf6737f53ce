"""What a Basler camera is set to, on its emulator: nodes, regions, pixel formats, lights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from tests.devices.basler_emulator import device, fired, settings, start_emulator

from keenline.devices.basler import BaslerCamera
from keenline.devices.lights import Lights, LitCamera
from keenline.errors import CameraError, Code


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    start_emulator()


@pytest.fixture
def camera(request) -> Iterator[BaslerCamera]:
    made = settings(**getattr(request, "param", {})).build()
    made.open()
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("camera", [{"gain_db": 6.0, "exposure_us": 1500.0}], indirect=True)
def test_settings_are_in_the_camera_and_in_the_frame(camera):
    frame = fired(camera)
    assert device(camera).ExposureTime.GetValue() == 1500
    assert frame.exposure_us == 1500
    assert frame.gain_db == pytest.approx(6.0, abs=0.01)
    assert frame.device_time_ns is None
    assert frame.is_simulated


@pytest.mark.parametrize(
    ("keys", "node", "words"),
    [
        ({"width": 9999}, "Width", "1 to 4096"),
        ({"offset_x": 4000}, "OffsetX", "0 to 3776"),
        ({"exposure_us": 59e6}, "ExposureTime", "1 to 1e+07"),
        ({"gain_db": 90.0}, "Gain", "0 to 48"),
        ({"pixel_format": "Mono7"}, "PixelFormat", "Mono8, Mono10"),
        ({"pixel_format": "RGB16Packed", "nodes": {"Gamma": "x"}}, "Gamma", "0 to"),
        ({"nodes": {"NoSuchNode": 1}}, "NoSuchNode", "no such node"),
        ({"nodes": {"ReverseX": 3}}, "ReverseX", "bool"),
        ({"nodes": {"DigitalShift": 1.5}}, "DigitalShift", "int"),
        ({"nodes": {"SensorWidth": 10}}, "SensorWidth", ""),
        ({"nodes": {"TriggerSoftware": 3}}, "TriggerSoftware", "a command"),
        ({"heartbeat_ms": 1500}, "HeartbeatTimeout", "no such node"),
    ],
)
def test_a_setting_that_the_camera_refuses_is_named_with_what_is_allowed(keys, node, words):
    camera = settings(**keys).build()
    with pytest.raises(CameraError) as caught:
        camera.open()
    assert caught.value.code == Code.CAMERA_REFUSED
    assert caught.value.where == f"camera top, node {node}"
    assert words in (caught.value.expected or "")
    # It is let go, so that it can be opened by the next who tries.
    again = settings().build()
    again.open()
    again.close()


def test_a_line_that_the_camera_does_not_have_is_no_trigger():
    with pytest.raises(CameraError, match="Line1, Line2") as caught:
        settings(trigger="line", line="Line9").build().open()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


@pytest.mark.parametrize("camera", [{"trigger": "line"}], indirect=True)
def test_firing_a_camera_that_waits_for_its_line_is_no_trigger(camera):
    with pytest.raises(CameraError) as caught:
        camera.fire()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


def test_a_region_is_set_whatever_region_was_left():
    first = settings(width=4096, height=4096).build()
    first.open()
    first.close()
    for region in ((256, 128, 3840, 3968), (4096, 4096, 0, 0)):
        keys = dict(zip(("width", "height", "offset_x", "offset_y"), region, strict=True))
        camera = settings(**keys).build()
        assert camera.open().size == region[:2]
        camera.close()


# Pixels

COLOURS = np.zeros((48, 64, 3), np.uint8)
COLOURS[:, :32] = (200, 100, 40)
COLOURS[:, 32:] = (30, 60, 240)


def played(folder, pixel_format: str) -> dict[str, object]:
    """Settings with which the emulator shows the images of a folder."""
    nodes = {"TestImageSelector": "Off", "ImageFilename": str(folder), "ImageFileMode": "On"}
    return {"width": 64, "height": 48, "pixel_format": pixel_format, "nodes": nodes}


@pytest.mark.parametrize("pixel_format", ["RGB8Packed", "BGR8Packed", "BGRA8Packed"])
def test_colours_of_an_image_file_come_as_they_are(tmp_path, pixel_format):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    camera = settings(**played(tmp_path, pixel_format)).build()
    camera.open()
    camera.start()
    assert np.array_equal(fired(camera).image, COLOURS)
    camera.close()


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono10", "Mono12", "Mono16"])
def test_grey_is_the_same_in_every_depth(tmp_path, pixel_format):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    camera = settings(**played(tmp_path, pixel_format)).build()
    camera.open()
    camera.start()
    frame = fired(camera)
    camera.close()
    assert np.array_equal(frame.image, np.repeat(ramp[..., None], 3, axis=2))


def test_images_of_a_folder_are_shown_one_after_the_other(tmp_path):
    for place in range(3):
        Image.fromarray(np.full((48, 64), 50 * place, np.uint8)).save(tmp_path / f"{place}.png")
    camera = settings(**played(tmp_path, "Mono8")).build()
    camera.open()
    camera.start()
    greys = [int(fired(camera).image[0, 0, 0]) for _ in range(4)]
    camera.close()
    assert [grey - greys[0] for grey in greys] in ([0, 50, 100, 0], [0, 50, -50, 0])


# Lights

WIRED = {
    "light_outputs": {"bright": "UserOutput1", "dark": "UserOutput2"},
    "nodes": {"LineSelector": "Line2", "LineMode": "Output", "LineSource": "UserOutput1"},
}


def outputs(camera: BaslerCamera) -> list[bool]:
    states = []
    for output in ("UserOutput1", "UserOutput2", "UserOutput3"):
        device(camera).UserOutputSelector.SetValue(output)
        states.append(device(camera).UserOutputValue.GetValue())
    return states


@pytest.mark.parametrize("camera", [WIRED], indirect=True)
def test_one_light_is_on_and_the_others_are_off(camera):
    assert isinstance(camera, Lights)
    for channel, states in (
        ("bright", [True, False, False]),
        ("dark", [False, True, False]),
        ("bright", [True, False, False]),
    ):
        camera.select(channel)
        assert outputs(camera) == states
    with pytest.raises(CameraError, match="bright, dark") as caught:
        camera.select("red")
    assert caught.value.code == Code.CAMERA_REFUSED


def test_two_lights_come_as_one_frame():
    lights = {"channels": ("bright", "dark")}
    made = settings(**WIRED, lights=lights)
    camera = LitCamera(made.build(), made.lights, is_fired=True)
    camera.open()
    camera.start()
    for number in (1, 2):
        camera.fire()
        frame = camera.grab(2.0)
        assert frame.lights == ("bright", "dark")
        assert frame.number == number
    camera.close()


def test_a_light_without_an_output_is_a_fault_of_the_configuration():
    with pytest.raises(ValueError, match="no output for: dark"):
        settings(lights={"channels": ("bright", "dark")}, light_outputs={"bright": "UserOutput1"})
