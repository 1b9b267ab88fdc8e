"""What a draft must hold true of itself before any vendor sees it: one account, one currency, sums that can be paid."""

from collections.abc import Sequence
from decimal import Decimal

from shared.canonical import ErpOrderLine, Money, MoneyError, SubscriptionLine
from shared.canonical.money import NET_MAX
from shared.problem import Fault, InvalidRequest, Rejected


def must_agree(in_path: str, in_body: str) -> None:
    """Raise InvalidRequest where the path and the body name two different accounts."""
    if in_path != in_body:
        raise InvalidRequest(
            "The path and the body name different accounts.",
            [Fault(pointer="/accountId", detail=f"This is {in_body}, but the path says {in_path}.")],
        )


def must_be_in(currency: str, amounts: dict[str, Money]) -> None:
    """Raise InvalidRequest unless every amount, by its JSON pointer, is in that currency."""
    faults = [
        Fault(pointer=f"{pointer}/currency", detail=f"This is {amount.currency}, but the record is in {currency}.")
        for pointer, amount in amounts.items()
        if amount.currency != currency
    ]
    if faults:
        raise InvalidRequest("Amounts are in different currencies.", faults)


def amounts_of(pointer: str, lines: Sequence[ErpOrderLine | SubscriptionLine]) -> dict[str, Money]:
    """Return the amounts that lines state, by their JSON pointers."""
    named = {f"{pointer}/{place}/netUnitPrice": line.net_unit_price for place, line in enumerate(lines)}
    stated = {f"{pointer}/{place}/netAmount": line.net_amount for place, line in enumerate(lines) if line.net_amount}
    return {**named, **stated}


def must_be_payable(pointer: str, lines: Sequence[ErpOrderLine | SubscriptionLine]) -> None:
    """Raise Rejected (`amounts_too_large`) where lines come to more than an amount, beside its tax, can hold.

    A vendor may book such a sum, which then nobody can read: the outcome would stay unknown.
    """
    faults: list[Fault] = []
    nets: list[Decimal] = []
    for place, line in enumerate(lines):
        try:
            nets.append(line.net.value)
        except MoneyError:
            said = f"{line.quantity} for {line.net_unit_price.amount} each is more than an amount can hold."
            faults.append(Fault(pointer=f"{pointer}/{place}/quantity", detail=said))
    net = sum(nets, Decimal(0))
    if not faults and abs(net) >= NET_MAX:
        faults.append(Fault(pointer=pointer, detail=f"They come to {net:f} before tax; less than {NET_MAX} is booked."))
    if faults:
        refused = Rejected("The amounts are too large.", reason_code="amounts_too_large")
        refused.faults = faults
        raise refused
