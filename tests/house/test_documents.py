"""The pages made from the code are up to date, links lead somewhere, and nothing names what it must not."""

import re
from pathlib import Path

import pytest

from trilemma.cli.documents import PAGES

ROOT = Path(__file__).parents[2]
PAGES_OF_PROSE = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES_OF_PROSE, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_names_both_commands_of_a_newcomer() -> None:
    text = (ROOT / "README.md").read_text()
    for words in ("apt install make python3-venv", "make demo", "make test"):
        assert words in text
