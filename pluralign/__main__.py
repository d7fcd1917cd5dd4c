"""`python -m pluralign` is the command line."""

from pluralign.cli import main

main()
