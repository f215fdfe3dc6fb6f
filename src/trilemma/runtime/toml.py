"""Text as a TOML string; reading TOML is the standard library's."""

import json

_DELETE = "\x7f"


def toml_string(text: str) -> str:
    """Return a text as a basic string of TOML (toml.io, v1.0.0, String), in quotes.

    JSON's escapes are TOML's, save that TOML has no surrogate pairs and does not take U+007F as it is.
    """
    return json.dumps(text, ensure_ascii=False).replace(_DELETE, "\\u007f")
