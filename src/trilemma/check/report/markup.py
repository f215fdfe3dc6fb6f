"""Markup whose text is always escaped: what is not `Markup` already goes through `escaped`, so nothing is injected.

Keys, values and names come from anywhere: they may hold tags, quotes, control characters, lone surrogates, or signs
that turn the direction of writing. Owns escaping and nothing of what pages say. Source: HTML Living Standard, 13.1
(writing documents), and for characters that do not print, Unicode TR 36, section 3 (visual spoofing).
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

TEXT_CHARS_MAX: Final = 600
"""The longest text that is written out whole: a reason with its operation fits, a value of a megabyte does not."""

SHORT_CHARS_MAX: Final = 12
"""The longest text of a cell that is never broken into lines."""

_VOID: Final = frozenset({"meta", "br"})
"""Elements without an end tag."""

_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """A piece of finished HTML or SVG."""

    __slots__ = ()


Child: TypeAlias = "str | Markup"
Attributes: TypeAlias = Mapping[str, str | float]


def visible(text: str) -> str:
    """Return the text with every character that does not print written as an escape (line feeds stay)."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def clipped(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Return the text, or its beginning and how much was left out."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]} … ({len(text) - chars_max} characters left out)"


def escaped(text: str) -> Markup:
    """Return text as markup: clipped, visible, and without any sign that HTML gives a meaning to."""
    return text if isinstance(text, Markup) else Markup(clipped(visible(clipped(text))).translate(_ENTITIES))


def _number(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def tag(name: str, attributes: Attributes | None = None, *children: Child) -> Markup:
    """Return an element. Names come from this package only; values and children are escaped."""
    pairs = "".join(f' {key}="{escaped(_number(value))}"' for key, value in (attributes or {}).items())
    if name in _VOID:
        return Markup(f"<{name}{pairs}>")
    return Markup(f"<{name}{pairs}>{''.join(escaped(child) for child in children)}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return children one after another."""
    return Markup("".join(escaped(child) for child in children))


def _cell(text: Child) -> Markup:
    """Return a cell; a figure with its unit stays on one line."""
    is_short = not isinstance(text, Markup) and len(text) <= SHORT_CHARS_MAX
    return tag("td", {"class": "short"} if is_short else None, text)


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], caption: str = "") -> Markup:
    """Return a table that can be scrolled sideways where the window is narrow."""
    parts = [tag("caption", None, caption)] if caption else []
    parts.append(tag("thead", None, tag("tr", None, *(tag("th", {"scope": "col"}, cell) for cell in head))))
    parts.append(tag("tbody", None, *(tag("tr", None, *(_cell(cell) for cell in row)) for row in rows)))
    return tag("div", {"class": "scroll"}, tag("table", None, *parts))
