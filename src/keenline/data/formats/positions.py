"""JSON and XML with the line in the file at which each object or element begins."""

from __future__ import annotations

import json
from bisect import bisect_right
from json import decoder, scanner
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from keenline.errors import Code, LabelError

ENCODING = "utf-8-sig"
"""UTF-8; a byte order mark, as some editors write it, is no part of the text."""


class JsonObject(dict[str, Any]):
    """A JSON object that knows where it stands."""

    line: int
    """In the file, from 1."""


def read_text(path: Path) -> str:
    """The whole file. Raises LabelError (LABEL_FILE) when it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode(ENCODING)
    except OSError as error:
        raise _bad(path, error.strerror or error) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _bad(f"{path}:{line}", "text that is not UTF-8") from error


def read_json(path: Path) -> Any:
    """The file's content; each object is a `JsonObject`. Raises LabelError (LABEL_FILE)."""
    return parse_json(read_text(path), path)


def parse_json(text: str, path: Path, first_line: int = 1) -> Any:
    """`text`, which begins at `first_line` of `path`. Raises LabelError (LABEL_FILE)."""
    breaks = [place for place, letter in enumerate(text) if letter == "\n"]
    reader = decoder.JSONDecoder()

    def parsed(text_and_end: tuple[str, int], *rest: Any) -> tuple[JsonObject, int]:
        values, end = decoder.JSONObject(text_and_end, *rest)  # type: ignore[attr-defined]
        made = JsonObject(values)
        made.line = first_line + bisect_right(breaks, text_and_end[1] - 1)
        return made, end

    reader.parse_object = parsed  # type: ignore[attr-defined]
    reader.scan_once = scanner.py_make_scanner(reader)  # type: ignore[attr-defined]
    try:
        return reader.decode(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{first_line + error.lineno - 1}"
        raise _bad(where, f"no JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise _bad(path, "JSON that is nested too deeply") from error


def read_xml(path: Path) -> Element:
    """The root element; `line_of` says where an element stands. Raises LabelError (LABEL_FILE).

    A document that declares entities is refused: no labelling tool writes them, and they can make
    a small file grow without bound.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _bad(path, error.strerror or error) from error
    parser = expat.ParserCreate()
    builder = TreeBuilder()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, attributes).set(_LINE, str(parser.CurrentLineNumber))

    def refuse(*_: object) -> None:
        raise _bad(f"{path}:{parser.CurrentLineNumber}", "XML that declares an entity")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = f"no XML: {expat.ErrorString(error.code)}"
        raise _bad(f"{path}:{error.lineno}", reason) from error
    return builder.close()


def line_of(element: Element) -> int:
    """The line, from 1, at which an element of `read_xml` begins."""
    return int(element.attrib[_LINE])


_LINE = "{keenline}line"  # no file can hold an attribute of this name: namespaces are not resolved


def _bad(where: object, got: object) -> LabelError:
    return LabelError(
        Code.LABEL_FILE,
        "The label file cannot be read",
        where=where,
        got=got,
        next="export it again, or name its format",
    )
