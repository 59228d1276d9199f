"""`python -m truck` is the `truck` command."""

from truck.cli import main

main()
