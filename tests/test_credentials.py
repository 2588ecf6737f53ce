"""A secret comes from where the configuration says, and from there alone; it is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from keenline.credentials import Credential, require_private
from keenline.errors import Code, CredentialError
from keenline.strict_toml import StrictTable, TomlFaults, parse_strictly

SECRET = "correct horse battery"


class Document(StrictTable):
    password: Credential


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.write_text(SECRET + "\n")
    made.chmod(0o600)
    return made


def refusal(credential: Credential) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        credential.read()
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LINE_PASSWORD", SECRET)
    assert Credential(env="LINE_PASSWORD").read() == SECRET


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_empty_or_not_there(monkeypatch: pytest.MonkeyPatch, value: str | None):
    monkeypatch.delenv("LINE_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("LINE_PASSWORD", value)
    error = refusal(Credential(env="LINE_PASSWORD"))
    assert error.code == Code.CREDENTIAL_MISSING
    assert "LINE_PASSWORD" in str(error)


def test_a_variable_that_is_no_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LINE_PASSWORD", "caf\udce9")
    assert refusal(Credential(env="LINE_PASSWORD")).code == Code.CREDENTIAL_MISSING


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_secret_in_a_file_of_its_owner(file: Path, mode: int):
    file.chmod(mode)
    assert Credential(file=str(file)).read() == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_not_used(file: Path, mode: int):
    file.chmod(mode)
    error = refusal(Credential(file=str(file)))
    assert error.code == Code.CREDENTIAL_EXPOSED
    assert f"{mode:o}" in str(error)
    assert f"chmod 600 {file}" in str(error)


def test_a_link_is_judged_by_what_it_leads_to(file: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(file)
    assert Credential(file=str(link)).read() == SECRET
    file.chmod(0o644)
    assert refusal(Credential(file=str(link))).code == Code.CREDENTIAL_EXPOSED


@pytest.mark.parametrize("text", [f"{SECRET}", f"{SECRET}\r\n", f"  {SECRET} \nwhose it is\n"])
def test_the_first_line_without_what_surrounds_it(file: Path, text: str):
    file.write_bytes(text.encode())
    assert Credential(file=str(file)).read() == SECRET


@pytest.mark.parametrize("content", [b"", b"\n", b"\nsecond line", b"\xff\xfe\xfd"])
def test_a_file_without_a_secret(file: Path, content: bytes):
    file.write_bytes(content)
    error = refusal(Credential(file=str(file)))
    assert error.code == Code.CREDENTIAL_MISSING
    assert str(file) in str(error)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path):
    assert refusal(Credential(file=str(tmp_path / "none"))).code == Code.CREDENTIAL_MISSING
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    assert refusal(Credential(file=str(folder))).code == Code.CREDENTIAL_MISSING


def test_a_secret_that_changed_is_read_anew(file: Path):
    credential = Credential(file=str(file))
    credential.read()
    file.write_text("another")
    assert credential.read() == "another"


def test_a_credential_that_is_shown_shows_the_place(file: Path):
    credential = Credential(file=str(file))
    credential.read()
    for shown in (repr(credential), str(credential), credential.model_dump_json()):
        assert SECRET not in shown
        assert str(file) in shown


def test_require_private(file: Path, tmp_path: Path):
    require_private(file)
    with pytest.raises(CredentialError):
        require_private(tmp_path / "none")


@pytest.mark.parametrize(
    "table", ["{}", '{ env = "A", file = "b" }', '{ env = "" }', '{ value = "x" }']
)
def test_a_table_that_names_no_one_place_is_a_fault(table: str):
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(f"password = {table}\n", Document)
    assert caught.value.faults[0].line == 1


def test_a_password_in_the_configuration_is_refused():
    with pytest.raises(TomlFaults):
        parse_strictly(f'password = "{SECRET}"\n', Document)
    with pytest.raises(ValidationError):
        Credential.model_validate({"env": "A", "file": "b"})
