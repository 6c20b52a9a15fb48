"""Imports a helper module that lies beside it."""

from helper_of_services import greeting  # type: ignore[import-not-found]  # found beside this file

import skypy


@skypy.start
def main() -> None:
    skypy.log.info("%s", greeting())
