"""What is wrong with a TOML file, in words of this project: msgspec's name types and paths of its own.

An option that this does not know the words for keeps msgspec's.
"""

import re

import msgspec

PLACE = re.compile(r" - at `\$\.?(.*)`$")
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
MISSING = re.compile(r"Object missing required field `(.*)`")
WORDS = {"`int`": "a whole number", "`str`": "a text in quotes", "`bool`": "true or false", "`array`": "[[members]]"}


def complaint(problem: msgspec.ValidationError) -> str:
    """Return the sentence: which option, in which table, and what is expected."""
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
    for name, words in WORDS.items():
        text = text.replace(name, words)
    return f"option '{place}': {text[0].lower()}{text[1:]}"
