"""Never lets go of its worker, once the node says that it has started."""

import skypy


@skypy.start
def main() -> None:
    skypy.timeout(0, work)


def work() -> None:
    skypy.log.info("working")
    while True:
        pass
