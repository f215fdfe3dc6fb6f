"""Which mode a key's keyspace has, as the router of a cluster would say it (keyspace/routing.py)."""

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from trilemma.advise.key import Key

DEFAULT = "default"
MODES = ("cp", "ca", "ap")


class NotAKeyspaceError(ValueError):
    """The text names no keyspace with a mode."""


class Home(NamedTuple):
    """A keyspace that a key may belong to. `is_sure`: whether it can belong to no other."""

    keyspace: str
    mode: str
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Modes:
    """The keyspaces of a cluster, there or planned, with their modes; `default` is always among them."""

    default: str = "cp"
    named: dict[str, str] = field(default_factory=dict)

    def everywhere(self) -> list[Home]:
        """Return one keyspace per mode that is in use."""
        found: dict[str, Home] = {}
        for name, mode in {DEFAULT: self.default, **self.named}.items():
            found.setdefault(mode, Home(name, mode, is_sure=False))
        return [found[mode] for mode in MODES if mode in found]

    def of(self, key: Key) -> list[Home]:
        """Return the keyspace of a key; one per mode in use where the key's beginning is not known."""
        if key.prefix is None:
            homes = self.everywhere()
            return [homes[0]._replace(is_sure=True)] if len(homes) == 1 else homes
        if key.prefix in self.named:
            return [Home(key.prefix, self.named[key.prefix], is_sure=True)]
        return [Home(DEFAULT, self.default, is_sure=True)]


def parse_modes(text: str) -> dict[str, str]:
    """Return the keyspaces that a text names: lines of name=mode, or what `trilemma keyspace list --json` prints.

    Raises:
        NotAKeyspaceError: it is neither.
    """
    if text.lstrip().startswith("["):
        try:
            return dict(checked(str(each["name"]), str(each["mode"])) for each in json.loads(text))
        except (ValueError, KeyError, TypeError) as problem:
            raise NotAKeyspaceError(f"not a list of keyspaces: {problem}") from problem
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return dict(parse_mode(line) for line in lines if line)


def parse_mode(text: str) -> tuple[str, str]:
    """Return (name, mode) of `name=mode`.

    Raises:
        NotAKeyspaceError: it is not of that form, or the mode is none.
    """
    name, equals, mode = text.partition("=")
    if not name or not equals:
        raise NotAKeyspaceError(f"{text!r} is not name=mode, such as shop=ap")
    return checked(name.strip(), mode.strip())


def checked(name: str, mode: str) -> tuple[str, str]:
    """Return both, the mode in lower case.

    Raises:
        NotAKeyspaceError: there is no such mode.
    """
    if mode.lower() not in MODES:
        raise NotAKeyspaceError(f"{name!r} cannot be {mode!r}: a mode is cp, ca or ap")
    return name, mode.lower()
