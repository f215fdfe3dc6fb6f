"""`python -m trilemma` is the command line."""

from trilemma.cli import main

main()
