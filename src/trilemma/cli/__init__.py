"""The command line: `trilemma`. Every command prints what a person wants, or JSON where a script asks for it.

Exit status: 0 done, 1 something was found wrong (a broken promise, a failed seed), 2 it could not be done.
"""

import sys


def main() -> None:
    """Run the command line."""
    from trilemma.cli.app import build

    build(sys.argv[1:])()
