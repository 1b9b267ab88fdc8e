"""When a subscription begins in Stripe, so that it is charged on the legal entity's days ever after.

A start in the future is a trial that ends then: `billing_cycle_anchor` reaches no further than a period ahead, and a
schedule is no subscription before its date, so that nothing would be found by our metadata (docs/decisions/0064).
Stripe counts months and years in UTC, from the day and time at which the first period begins. That day has to be the
legal entity's: at half past midnight on 1 December in Berlin UTC still has 30 November, and every later invoice of what
begins then is dated the 30th (docs/decisions/0102).
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.canonical import SubscriptionDraft
from shared.problem import Unavailable
from system_api.billing.stripe.api import VENDOR

# Nearer than this, the date may have come before Stripe reads the request, and it takes no trial that has ended.
_START_TOO_NEAR_S = 60
# How far a zone's midnight is from that of UTC at most: UTC+14 and UTC-12.
_EAST_MOST, _WEST_MOST = timedelta(hours=14), timedelta(hours=13)
_SUMMER_TIME, _HALF_A_YEAR = timedelta(hours=1), timedelta(days=182)


def trial_end(draft: SubscriptionDraft, now_s: float) -> int | None:
    """The moment at which it begins, where that is still to come."""
    if draft.starts_at is not None:
        starts_s = _anchor_s(datetime.fromisoformat(draft.starts_at).astimezone(UTC), draft.starts_on)
    elif draft.timezone is not None:
        starts_s = _at_once_s(datetime.fromtimestamp(now_s, UTC), ZoneInfo(draft.timezone))
    else:
        return None
    if starts_s <= now_s:
        return None
    if starts_s <= now_s + _START_TOO_NEAR_S:
        said = f"The subscription begins in less than a minute, which {VENDOR} is asked for once it has come"
        raise Unavailable(said, reason_code="start_too_near", vendor=VENDOR, retry_after_s=_START_TOO_NEAR_S)
    return starts_s


def _at_once_s(now: datetime, zone: ZoneInfo) -> int:
    """The first moment from now on at which the legal entity and UTC have the same day, in Unix seconds."""
    today = now.astimezone(zone).date()
    if now.date() > today:  # an evening in America: the next day, once it has come there
        return _first_of(now.date(), zone)
    if now.date() == today and _keeps_its_day(now, zone):
        return int(now.timestamp())
    return _first_of(today, zone)


def _first_of(day: date, zone: ZoneInfo) -> int:
    """The first moment of a day from which periods can be counted."""
    return _anchor_s(datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC), day.isoformat())


def _keeps_its_day(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the zone has the day of `moment` at that time of UTC's day in summer and in winter."""
    offsets = (each.astimezone(zone).utcoffset() or timedelta(0) for each in (moment, moment + _HALF_A_YEAR))
    return all((moment + offset).date() == moment.date() for offset in offsets)


def _anchor_s(first_moment: datetime, starts_on: str | None) -> int:
    """The moment of the start date from which its periods are counted, in Unix seconds.

    Stripe counts months and years in UTC, from the anchor's day and time. East of Greenwich a day begins while UTC has
    the day before: 1 March in Berlin is 28 February there, and is followed by 28 March. So the first period begins when
    both have the start date. Elsewhere it begins an hour into the day: in winter a day begins an hour later than in
    summer, and a period that a summer's midnight was kept for would begin on the day before.
    """
    day_in_utc = datetime.combine(date.fromisoformat(starts_on), time.min, tzinfo=UTC) if starts_on else first_moment
    if timedelta(0) < day_in_utc - first_moment <= _EAST_MOST:
        return int(day_in_utc.timestamp())
    if starts_on and timedelta(0) <= first_moment - day_in_utc <= _WEST_MOST:
        return int((first_moment + _SUMMER_TIME).timestamp())
    return int(first_moment.timestamp())
