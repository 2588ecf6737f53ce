"""A file's content turned into what a careless hand or a broken disk leaves of it."""

from __future__ import annotations

import re
from random import Random


def damaged(content: bytes, random: Random) -> bytes:
    """A value, a letter or a piece of a file replaced, left out, or there twice."""
    start = random.randrange(len(content))
    end = min(start + random.choice((1, 3, 20)), len(content))
    way = random.randrange(4)
    if way == 0:
        numbers = list(re.finditer(rb"-?[0-9.]+|\"[a-z_]*\"", content))
        if numbers:
            found = random.choice(numbers)
            start, end = found.span()
        return content[:start] + random.choice(VALUES) + content[end:]
    if way == 1:
        return content[:start] + content[end:]
    if way == 2:
        return content[:end] + content[start:]
    return content[:start] + bytes([random.randrange(256)]) + content[start + 1 :]


VALUES = (b"null", b"-1", b"1e999", b'"x"', b"[]", b"{}", b"", b"NaN", b"1e-300", b"true", b"[[]]")
