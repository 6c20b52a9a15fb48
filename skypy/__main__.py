"""`python -m skypy` is the same as `skypy`."""

from skypy.cli.program import main

main()
