"""`python -m hardware` is the `hardware` command."""

from hardware.cli import main

main()
