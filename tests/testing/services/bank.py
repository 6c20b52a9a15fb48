"""A bank with a race: between reading the balance and writing it, other requests are handled."""

import skypy

balance = [0]
audit = [0]


@skypy.start
def main(audit_at: int = 0) -> None:
    audit[0] = audit_at


@skypy.command
async def pay_in(amount: int) -> None:
    before = balance[0]
    await skypy.call(audit[0], "note", amount)
    balance[0] = before + amount


@skypy.command
def get() -> int:
    return balance[0]
