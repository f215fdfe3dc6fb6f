"""What all pages that are made from the code begin with, and their tables."""

from collections.abc import Iterable

HEADER = "<!-- Made by `make docs` from the code; edit it there. -->\n"


def table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += [
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"
