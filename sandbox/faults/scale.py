"""The size of a run: the whole one, the smaller one on the real ERP, and the short one of CI."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """The numbers of every scenario."""

    orders_under_kills: int
    kills: int
    orders_under_lost_answers: int
    crash_points_max: int | None
    """How many crash points are chosen at random; None for all of them."""
    keys: int
    posts_of_each_key: int
    orders_of_two_workers: int
    pause_s: float
    """The time for which a worker is paused."""
    lease_s: float | None
    """The workers' lease; None for the default. Too short a lease on a busy machine only causes more work."""
    webhooks: int
    events: int
    relay_kills: int
    orders_at_once: int = 24

    def with_orders(self, orders: int) -> "Scale":
        """Return the scale with so many orders in each scenario, and proportionally many kills."""
        return replace(
            self,
            orders_under_kills=orders,
            kills=max(1, round(self.kills * orders / self.orders_under_kills)),
            orders_under_lost_answers=orders,
            keys=max(2, min(self.keys, orders)),
            orders_of_two_workers=max(4, orders),
        )


FULL = Scale(
    orders_under_kills=1000,
    kills=200,
    orders_under_lost_answers=2000,
    crash_points_max=None,
    keys=200,
    posts_of_each_key=100,
    orders_of_two_workers=200,
    pause_s=60.0,
    lease_s=None,
    webhooks=10_000,
    events=10_000,
    relay_kills=100,
)
REAL_ERP = replace(
    FULL.with_orders(60),
    keys=10,
    orders_of_two_workers=40,
    webhooks=1000,
    events=1000,
    relay_kills=10,
    orders_at_once=8,
)
SHORT = replace(
    FULL.with_orders(8),
    orders_under_lost_answers=6,
    crash_points_max=3,
    keys=2,
    posts_of_each_key=15,
    pause_s=5.0,
    lease_s=2.0,
    webhooks=100,
    events=100,
    relay_kills=2,
    orders_at_once=8,
)
