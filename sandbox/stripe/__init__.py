"""A simulator of Stripe Billing: one account, in memory, that speaks Stripe's wire protocol.

It answers in the shapes of API versions 2025-03-31.basil and later, and the official SDK works against it unmodified.
What it does not simulate it refuses by name (`parameter_unknown`, "Unrecognized request URL"); it never accepts a
parameter and ignores it.

Simulated: customers and tax ids, test cards as payment methods, products, prices (per unit), plans, coupons and
discounts, exclusive tax rates, subscriptions and their items, invoices and invoice items, credit notes, search, test
clocks, webhook endpoints and events, idempotency keys, quotas, object locks. Not simulated: payment intents, tiers and
meters, schedules, quotes, inclusive or automatic tax, Connect.

Where it differs from Stripe on purpose:
* Both declining test cards can be attached; Stripe refuses to attach `pm_card_chargeDeclined`.
* Advancing a test clock is done when the answer arrives, which still says `advancing`.
* A draft is finalized an hour after it was made; Stripe also waits for `invoice.created` to be received.
* Failed payments are tried again after 3, 5 and 7 days, and then the subscription is cancelled.
* An amount below Stripe's minimum charge is charged, and not carried over in the customer's balance.
* `cancel_at_period_end` with items of different intervals waits for the longest period.
"""
