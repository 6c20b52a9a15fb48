"""An actor that ends its whole node, on a worker that is not the start service's."""

import skypy


@skypy.start
async def main(role: str = "first") -> None:
    if role == "first":
        await skypy.newservice("ender", "second", worker=2)
    else:
        skypy.timeout(0, skypy.shutdown_node)


@skypy.stop
def bye() -> None:
    skypy.log.info("the stop function runs")
