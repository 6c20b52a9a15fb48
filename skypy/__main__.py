"""`python -m skypy` is the same as `skypy`."""

from skypy.cli.main import main

main(prog_name="skypy")
