"""CONFIG REWRITE: what CONFIG SET changed goes into the node's own TOML file; all other lines stay as they are.

Only lines are understood here, not TOML: a text that does not come out as wanted (a key in quotes, a value of several
lines) is not put in place.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from trilemma.base.errors import error, register
from trilemma.resp.reply import encode_error
from trilemma.runtime.config import ConfigError, parse, read
from trilemma.runtime.durable_files import replace_durably
from trilemma.runtime.toml import toml_string

register(
    "not_rewritten",
    "ERR Rewriting config file: {reason}",
    "see that the node may write its configuration file, and that each option stands there as name = value on a line "
    "of its own; what CONFIG SET changed is in force until it stops",
)

_TABLE = re.compile(r"\s*\[")


def rewritten(text: str, values: Mapping[str, str | bool | int]) -> str:
    """Return a TOML text with top-level keys set; a key that is not there yet goes above the first table."""
    lines = text.removesuffix("\n").split("\n")
    end = next((number for number, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    for name, value in values.items():
        line = f"{name} = {toml_string(value) if isinstance(value, str) else str(value).lower()}"
        known = next((at for at in range(end) if re.match(rf"\s*{re.escape(name)}\s*=", lines[at])), None)
        if known is not None:
            lines[known] = line
        else:
            lines.insert(end, line)
            end += 1
    return "\n".join(lines) + "\n"


def rewrite(path: Path, values: Mapping[str, str | bool | int]) -> None:
    """Change a file in one step: a crash leaves the old text or the new one.

    Raises:
        OSError: it cannot be read or written.
        ConfigError: it is no configuration any more, the next start could not read the new text, or would not read
            these values in it.
    """
    before = read(path)
    set_before = parse(before)
    text = rewritten(before, {name: value for name, value in values.items() if getattr(set_before, name) != value})
    found = parse(text)
    if any(getattr(found, name) != value for name, value in values.items()):
        raise ConfigError("its lines are laid out in a way that is not understood")
    replace_durably(path, text.encode())


def answer_rewrite(path: Path | None, words: Sequence[bytes]) -> bytes:
    """Carry out CONFIG REWRITE and return its encoded reply. `words` are names and values of options."""
    if path is None:
        return encode_error(error("no_config_file").text)
    try:
        texts = [word.decode() for word in words]
    except UnicodeDecodeError:
        return encode_error(error("not_rewritten", reason="the password is no UTF-8, and TOML holds no other").text)
    options = dict(zip(texts[::2], texts[1::2], strict=True))
    values: dict[str, str | bool | int] = {
        "requirepass": options["requirepass"],
        "protected_mode": options["protected-mode"] == "yes",
        "timeout": int(options["timeout"]),
    }
    try:
        rewrite(path, values)
    except OSError as problem:
        return encode_error(error("not_rewritten", reason=problem.strerror or str(problem)).text)
    except ConfigError as problem:
        return encode_error(error("not_rewritten", reason=str(problem)).text)
    return b"+OK\r\n"
