"""Imports a helper module that lies beside it."""

import skypy
from helper_of_services import greeting


@skypy.start
def main() -> None:
    skypy.log.info("%s", greeting())
