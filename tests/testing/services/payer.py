"""Pays in, on its own worker."""

import skypy


@skypy.command
async def pay(bank: int, amount: int) -> None:
    await skypy.call(bank, "pay_in", amount)


@skypy.command
async def note(amount: int) -> None:
    """An audit takes a moment."""
    await skypy.sleep(0)
