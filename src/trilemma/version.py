"""The release number, in one place: packaging, INFO and `--version` read it from here."""

__version__ = "0.1.0"
