"""What is cited as NAME §1.2, in sources, tests and documents, is a heading or a numbered rule of a page in docs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "ARCHITECTURE": ROOT / "ARCHITECTURE.md",
    "FAULTS": ROOT / "docs/faults.md",
    "PROMISES": ROOT / "docs/promises.md",
    "PROTOCOLS": ROOT / "docs/protocols.md",
}
GAP = r"[\s#*]+"
"""Between the words of a citation: it may go on in the next line of a comment or a docstring."""
LISTED = r"§[0-9]+(?:\.[0-9]+)*"
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*")
CITED = re.compile(rf"\b([A-Z]{{4,}}){GAP}({LISTED}(?:(?:,?{GAP}(?:and{GAP})?|-|–){LISTED})*)")
PITFALLS = re.compile(rf"FAULTS{GAP}§4,?{GAP}\(?pitfalls?{GAP}([0-9]+(?:(?:,?{GAP}(?:and{GAP})?)[0-9]+)*)")
ROWS = re.compile(rf"FAULTS{GAP}§5,?{GAP}rows?{GAP}([0-9]+)")


def texts() -> Iterator[tuple[Path, str]]:
    """Yield every file that may cite, with its text."""
    for folder in ("src", "tests", "docs", "examples"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".py", ".md", ".json", ".toml") and file != Path(__file__):
                yield file, file.read_text()
    for file in sorted(ROOT.glob("*.md")):
        yield file, file.read_text()


def numbered(page: Path) -> set[str]:
    """Return the numbers of a page's headings (`## 2. …`) and rules (`**2.1 …`)."""
    return set(re.findall(r"^(?:#+ |\*\*)([0-9]+(?:\.[0-9]+)*)[. *]", page.read_text(), re.MULTILINE))


def test_every_section_that_is_cited_is_there() -> None:
    sections = {name: numbered(page) for name, page in PAGES.items()}
    cited = [
        (file.name, name, section)
        for file, text in texts()
        for name, listed in CITED.findall(text)
        for section in NUMBER.findall(listed)
    ]
    assert not [each for each in cited if each[2] not in sections.get(each[1], ())]


@pytest.mark.parametrize("name", PAGES)
def test_citations_of_every_page_are_found(name: str) -> None:
    assert any(found == name for _, text in texts() for found, _ in CITED.findall(text))


def test_every_pitfall_and_row_that_is_cited_is_there() -> None:
    pitfalls = set(re.findall(r"^([0-9]+)\. ", (ROOT / "docs/faults.md").read_text(), re.MULTILINE))
    rows = set(re.findall(r"^\| ([0-9]+)", (ROOT / "docs/fault-rows.md").read_text(), re.MULTILINE))
    for file, text in texts():
        for listed in PITFALLS.findall(text):
            assert set(NUMBER.findall(listed)) <= pitfalls, file
        assert set(ROWS.findall(text)) <= rows, file


def test_every_planted_bug_that_a_rule_names_is_among_those_found() -> None:
    rules = (ROOT / "docs/protocols.md").read_text()
    named = {bug for listed in re.findall(r"\[((?:[A-Z][0-9]+[,\s]*)+)\]", rules) for bug in re.findall(r"\w+", listed)}
    planted = set(re.findall(r"^\| ([A-Z][0-9]+) \|", (ROOT / "docs/mutants.md").read_text(), re.MULTILINE))
    assert named
    assert named <= planted
