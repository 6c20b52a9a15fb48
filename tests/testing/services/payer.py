"""An actor that pays into a bank."""

import skypy


@skypy.command
async def pay(bank: int, amount: int) -> None:
    await skypy.call(bank, "pay_in", amount)


@skypy.command
async def note(amount: int) -> None:
    """Take a moment, as an audit does."""
    await skypy.sleep(0)
