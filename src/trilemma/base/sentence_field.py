"""Sentences in fields of INFO: `name=value`, parted by commas, a line each. What a sentence has of these is written as
in URLs (RFC 3986, 2.1), so that whoever takes the fields apart can have it as it was said.
"""

import re
from collections.abc import Mapping
from typing import Any

_RESERVED = re.compile("[%,=\r\n]")
_ESCAPED = re.compile("%([0-9A-F]{2})")


def escaped(sentence: str) -> str:
    """Return a sentence as a field's value."""
    return _RESERVED.sub(lambda found: f"%{ord(found[0]):02X}", sentence)


def unescaped(value: str) -> str:
    """Return the sentence that a field's value is."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


def with_reasons(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section, as client libraries take it apart, with each `why` as it was said."""
    return {
        name: facts | {"why": unescaped(str(facts["why"]))} if isinstance(facts, dict) and "why" in facts else facts
        for name, facts in section.items()
    }
