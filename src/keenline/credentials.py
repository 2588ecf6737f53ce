"""The name of a secret in a configuration turned into the secret, which is never in a file of ours.

A configuration says where a password is, not what it is: in a variable of the environment, or in
a file that nobody but the account of the station may read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import Field, model_validator

from keenline.errors import Code, CredentialError
from keenline.strict_toml import StrictTable, content_fault


class Credential(StrictTable):
    """`{ env = "NAME" }` or `{ file = "/path" }`: where one secret is."""

    env: str | None = Field(default=None, min_length=1)
    """Name of a variable of the environment."""
    file: str | None = Field(default=None, min_length=1)
    """A file with the secret on its first line; only its owner may read it."""

    @model_validator(mode="after")
    def _one_place(self) -> Credential:
        if (self.env is None) == (self.file is None):
            raise content_fault('allowed: either { env = "NAME" } or { file = "/path" }')
        return self

    def read(self) -> str:
        """The secret; raises CredentialError: CREDENTIAL_MISSING, or CREDENTIAL_EXPOSED when
        others than the owner may read the file."""
        if self.env is not None:
            secret = os.environ.get(self.env, "")
            where = f"the variable {self.env} of the environment"
        else:
            assert self.file is not None
            secret, where = _first_line(Path(self.file)), self.file
        # A variable may hold bytes that are not UTF-8; Python keeps them as halves of surrogates.
        if not secret or secret != secret.encode(errors="ignore").decode():
            raise CredentialError(
                Code.CREDENTIAL_MISSING,
                "A secret that the configuration names is empty, not there, or not UTF-8",
                where=where,
                next="set it, then start again",
            )
        return secret


def require_private(path: Path) -> None:
    """Raises CredentialError when others than its owner may read `path`."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _missing(path, error) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialError(
            Code.CREDENTIAL_EXPOSED,
            "Others than the owner may read a secret",
            where=path,
            expected="permissions 600 or 400",
            got=f"{stat.S_IMODE(mode):o}",
            next=f"chmod 600 {path}",
        )


def _first_line(path: Path) -> str:
    require_private(path)
    try:
        return path.read_text("utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _missing(path, error) from error


def _missing(path: Path, error: Exception) -> CredentialError:
    return CredentialError(
        Code.CREDENTIAL_MISSING,
        "The file of a secret cannot be read",
        where=path,
        got=getattr(error, "strerror", None) or type(error).__name__,
        next="check the path and the account the station runs as",
    )
