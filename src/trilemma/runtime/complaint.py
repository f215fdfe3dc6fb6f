"""What is wrong with a TOML file, in words of this project: msgspec's name types and paths of its own.

An option that this does not know the words for keeps msgspec's.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

PLACE = re.compile(r" - at `\$\.?(.*)`$")
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
MISSING = re.compile(r"Object missing required field `(.*)`")
NO_CHOICE = re.compile(r"[Ii]nvalid enum value '(.*)'")
NO_NAME = re.compile(r"Expected `str` matching regex '\^\[A-Za-z0-9_.-\]\{1,(\d+)\}\$'")
WORDS = {"`int`": "a whole number", "`str`": "a text in quotes", "`bool`": "true or false", "`array`": "[[members]]"}


def complaint(problem: msgspec.ValidationError, choices: Mapping[str, Sequence[str]]) -> str:
    """Return the sentence: which option, in which table, and what is expected.

    Args:
        choices: by option of the top level, what may stand there, where that is one of a few words.
    """
    text = str(problem)
    found = PLACE.search(text)
    place = found[1] if found is not None else ""
    text = PLACE.sub("", text)
    where = f" in {place}" if place else ""
    unknown, missing = UNKNOWN.fullmatch(text), MISSING.fullmatch(text)
    if unknown is not None:
        # The most common way to it: in TOML all that follows a table's heading belongs to the table.
        hint = "; options of the top level stand before the first table" if place else ""
        return f"there is no option '{unknown[1]}'{where}{hint}"
    if missing is not None:
        return f"option '{missing[1]}' is missing{where}"
    choice, name_wanted = NO_CHOICE.fullmatch(text), NO_NAME.fullmatch(text)
    if choice is not None and place in choices:
        *first, last = choices[place]
        return f"option '{place}' is {', '.join(first)} or {last}, not '{choice[1]}'"
    if name_wanted is not None:
        return f"option '{place}': expected a name of 1 to {name_wanted[1]} letters, digits, dots, dashes, underscores"
    for name, words in WORDS.items():
        text = text.replace(name, words)
    return f"option '{place}': {text[0].lower()}{text[1:]}"
