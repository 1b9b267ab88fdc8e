"""Why an order is not booked, in the words of its seller: which system it was, what that means, and what to do.

It is kept with the order, told to Salesforce and shown by the experience tier. What exactly was answered, at which
step, is for operators: it stays with the flow and its attempts.
"""

from process_api.engine.failures import Failure
from process_api.engine.steps import Ending
from shared.seller_words import REASON_TEXTS, is_plain, system_name

_TEAM = "The integration team has to look into it."
_STOPPED = f"The order is stopped. {_TEAM}"
_NOT_TAKEN_BACK = {
    "rejected": "The order was refused, and what was booked of it could not be taken back yet.",
    "compensated": "The order was given up, and what was booked of it could not be taken back yet.",
}


def reason_for_seller(
    ending: Ending, said: str, failure: Failure | None, *, undoing_to: str = "", readable: bool = False
) -> str:
    """Return why an order has come to this ending; empty where it is booked.

    `said` is what the last attempt was told, `failure` how it failed, `undoing_to` the kind of ending for the sake of
    which things are being undone. `readable`: `said` was written for sellers, whatever is in it.
    """
    code = ending.reason_code
    ours = failure is not None and failure.step == ending.step and failure.for_sellers
    told = _sentence(said) if readable or ours or is_plain(said) else ""
    if ending.kind == "succeeded":
        return ""
    if ending.kind == "compensated":
        return REASON_TEXTS["discarded"]
    if ending.kind == "rejected":
        return told or REASON_TEXTS.get(code) or "A system refused the order. The integration team can see its reason."
    if failure is None or failure.step != ending.step:
        return REASON_TEXTS.get(code) or _STOPPED
    if failure.direction == "undo":
        return f"{_NOT_TAKEN_BACK.get(undoing_to, _STOPPED)} {system_name(failure.system)} has it still. {_TEAM}"
    return _halted(failure, code, told)


def _sentence(said: str) -> str:
    return said if not said or said[-1] in ".!?…" else f"{said}."


def delay_for_seller(failure_said: str, system: str) -> str:
    """Return what a system answered that an order waits for, as its seller is told it."""
    return _sentence(failure_said) if is_plain(failure_said) else f"{system_name(system)} cannot be used at the moment."


def _halted(failure: Failure, code: str, told: str) -> str:
    """Why an order is parked that was going forward."""
    name = system_name(failure.system)
    match failure.kind:
        case "decision":
            return told or REASON_TEXTS.get(code) or f"A person has to decide how the order goes on. {_TEAM}"
        case "rejected":
            refused = told or f"{name} refused a part of the order."
            return f"{refused} The rest is booked already, so the integration team decides what becomes of the order."
        case "unknown":
            return (
                f"{name} took a request of this order, but its answer was lost, and it could not be found out whether "
                f"it was carried out. {_TEAM}"
            )
        case "unavailable":
            return f"{told or f'{name} cannot be used.'} This has lasted for so long that the order is stopped. {_TEAM}"
    return REASON_TEXTS["defect"]
