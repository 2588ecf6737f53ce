"""Lines of keys in TOML: tables, arrays of tables, dotted and quoted keys, inline values."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.toml_lines import find_lines, nearest_line

DOCUMENT = '''\
a = 1 # b = 2
"quoted.key" = "x = 1 # y"
dotted.key . third = """
[not_a_table]
z = 1 \\""" still text
"""

[table]
literal = \'\'\'
[neither]\'\'\'
inline = { one = 1, two.three = [ { four = 4 } ] }
list = [
  [1, 2], # one, two

  [3,
   4],
]
[[items]]
name = "first"
[[items]]
  name = 'second'
[items.inner]
key = 1979-05-27 07:32:00
[[items.sub]]
x = ""
'''
EXPECTED = {
    ("a",): 1,
    ("quoted.key",): 2,
    ("dotted",): 3,
    ("dotted", "key"): 3,
    ("dotted", "key", "third"): 3,
    ("table",): 8,
    ("table", "literal"): 9,
    ("table", "inline"): 11,
    ("table", "inline", "one"): 11,
    ("table", "inline", "two", "three", 0, "four"): 11,
    ("table", "list"): 12,
    ("table", "list", 0, 1): 13,
    ("table", "list", 1): 15,
    ("table", "list", 1, 1): 16,
    ("items", 0): 18,
    ("items", 0, "name"): 19,
    ("items", 1): 20,
    ("items", 1, "name"): 21,
    ("items", 1, "inner"): 22,
    ("items", 1, "inner", "key"): 23,
    ("items", 1, "sub", 0): 24,
    ("items", 1, "sub", 0, "x"): 25,
}


@pytest.mark.parametrize("path", EXPECTED, ids=str)
def test_a_key_is_found_on_its_line(path):
    assert find_lines(DOCUMENT)[path] == EXPECTED[path]


def leaves(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path in a parsed document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = set()
    for key, below in inner:
        found.add((*path, key))
        if isinstance(below, dict | list):
            found |= leaves(below, (*path, key))
    return found


def test_the_paths_are_those_of_the_standard_parser():
    assert set(find_lines(DOCUMENT)) == leaves(tomllib.loads(DOCUMENT))


def test_a_path_without_a_line_falls_back_to_what_is_around_it():
    lines = find_lines(DOCUMENT)
    assert nearest_line(lines, ("items", 1, "missing", "deep")) == 20
    assert nearest_line(lines, ("nowhere",)) == 1
    assert nearest_line({}, ()) == 1


@given(st.text(alphabet="ab=[]{}.,\"'#\n \\", max_size=60))
def test_any_text_comes_to_an_end(text):
    find_lines(text)


names = st.text(alphabet="abc-_1", min_size=1, max_size=3)
plain = st.one_of(st.integers(), st.booleans(), st.sampled_from(["x", "a = 1", "[t]", "# no", ""]))


def written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


@given(
    st.dictionaries(
        names, st.dictionaries(names, plain | st.lists(plain | st.lists(plain)), max_size=3)
    )
)
def test_any_document_of_tables_has_every_key_on_its_line(content):
    rows, expected = [], {}
    for table, keys in content.items():
        rows.append(f"[{table}]")
        expected[(table,)] = len(rows)
        for key, value in keys.items():
            rows.append(f"{key} = {written(value)}")
            expected[(table, key)] = len(rows)
    text = "\n".join(rows)
    found = find_lines(text)
    assert {path: found[path] for path in expected} == expected
    assert set(found) == leaves(tomllib.loads(text))
