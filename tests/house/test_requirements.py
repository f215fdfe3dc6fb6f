"""The pinned requirements are whole: no Python that we run on asks for a package that they do not name."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

PYTHONS = ("3.11.0", "3.11.2", "3.11.3", "3.11.14", "3.12.0", "3.13.0", "3.14.0")
"""3.11.2 is Debian 12's. A package may ask for more on one of them than on the Python that runs this test."""


def pinned(path: Path) -> dict[str, str]:
    """Return the versions by name."""
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
    }


def asked_by(name: str, python: str) -> list[str]:
    """Return the packages that an installed package asks for on a Python."""
    short = ".".join(python.split(".")[:2])
    environment = {"python_full_version": python, "python_version": short, "extra": ""}
    needs = map(Requirement, requires(name) or [])
    return [canonicalize_name(need.name) for need in needs if not need.marker or need.marker.evaluate(environment)]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_that_a_pinned_one_asks_for_is_pinned(file: str, python: str) -> None:
    names = pinned(ROOT / file)
    missing = []
    looked_at = 0
    for name in names:
        try:
            asked = asked_by(name, python)
        except PackageNotFoundError:
            continue  # for another Python than this one
        looked_at += 1
        missing += [f"{name} asks for {need}" for need in asked if need not in names]
    assert looked_at >= len(names) - 1
    assert missing == []


def test_the_names_are_those_of_the_lock_with_hashes_and_no_address() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / file).read_text()
        assert len(pinned(ROOT / file)) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE))
        assert "://" not in text
        assert not re.search(r"^-", text, re.MULTILINE)
