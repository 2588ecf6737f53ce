"""Facts about a machine, from texts of several kinds of machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from keenline.cli.doctor import EXTRAS, check_engines
from keenline.cli.machine import processor_facts, this_machine

INTEL = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-1185G7E @ 2.80GHz
flags\t\t: fpu sse2 avx2 fma avx512f avx512_vnni

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd asimddp\nCPU implementer : 0x41\n"


def test_an_x86_processor():
    name, flags = processor_facts(INTEL)
    assert name == "Intel(R) Core(TM) i7-1185G7E @ 2.80GHz"
    assert flags is not None
    assert {"avx2", "avx512_vnni"} <= flags


def test_an_arm_processor_says_features_and_no_name():
    name, flags = processor_facts(ARM)
    assert name == ""
    assert flags is not None
    assert "asimddp" in flags


def test_a_processor_that_says_nothing():
    assert processor_facts("processor : 0\n") == ("", None)


def test_this_machine(tmp_path: Path):
    machine = this_machine(tmp_path)
    assert machine.cores >= 1
    assert machine.processor
    assert machine.disk_free_gb > 0
    assert machine.memory_gb is None or 0.1 < machine.memory_gb < 1e5


def test_every_engine_of_the_core_answers_right():
    checks = {check.name: check for check in check_engines()}
    assert set(checks) == {"openvino", "onnxruntime"}
    for check in checks.values():
        assert check.works, check.says
        assert check.version


def test_doctor_says_it_and_exits_with_zero(keenline):
    ran = keenline("doctor")
    assert ran.code == 0
    for word in ("processor", "openvino", "onnxruntime", "cameras", "extras"):
        assert word in ran.out
    record = keenline("doctor", "--json").record
    assert all(engine["works"] for engine in record["engines"])
    assert {"folder", "simulated"} <= set(record["cameras"])


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extras_are_those_of_the_project(extra: str):
    import re
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    wanted = project["project"]["optional-dependencies"][extra]
    assert {re.split(r"[>=<\[]", name)[0] for name in wanted} == set(EXTRAS[extra][0])
