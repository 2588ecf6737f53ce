"""A page that this room wrote turned into a tree, so that it can be laid out on paper as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = frozenset({"meta", "br", "img", "input", "link", "rect", "line", "path", "circle"})


@dataclass(slots=True)
class Node:
    """An element: its name, attributes and what is in it, text as text."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The words of its attribute `class`."""
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """All text within, as it stands there."""
        return "".join(each if isinstance(each, str) else each.text for each in self.inside)

    @property
    def nodes(self) -> list[Node]:
        """The elements directly within."""
        return [each for each in self.inside if isinstance(each, Node)]

    def all(self, name: str) -> Iterator[Node]:
        """Every element of that name within, in the order of the page."""
        for each in self.nodes:
            if each.name == name:
                yield each
            yield from each.all(name)

    def number(self, name: str) -> float:
        """An attribute that is a number; 0 where it is missing."""
        return float(self.attributes.get(name, 0))


def page_tree(page: str) -> Node:
    """The element `html` of a page.

    For pages of this package only: every element is closed, in order. Raises ValueError otherwise.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if len(reader.open) != 1:
        raise ValueError(f"not closed: {reader.open[-1].name}")
    return next(reader.open[0].all("html"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(node)
        if tag not in _EMPTY:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag != self.open[-1].name:
            raise ValueError(f"{tag} ends within {self.open[-1].name}")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)
