"""A simulator of Stripe Billing: one account, in memory, that speaks Stripe's wire protocol.

It answers in the shapes of API versions 2025-03-31.basil and later, and the official SDK works against it unmodified.
What it does not simulate it refuses by name (`parameter_unknown`, "Unrecognized request URL"); it never accepts a
parameter and ignores it.

Simulated: docs/sandbox-stripe.md has the list. Refused as Stripe refuses it: docs/vendors/stripe.md, with sources.

Where it differs from Stripe on purpose:
* Every declining test card can be attached; Stripe refuses to attach those that decline at once.
* A card that wants authentication is declined; nobody can authenticate.
* Advancing a test clock is done when the answer arrives, which still says `advancing`.
* A draft is finalized an hour after it was made; Stripe also waits for `invoice.created` to be received.
* Failed payments are tried again after 3, 5 and 7 days, and then the subscription is cancelled.
* An amount of an invoice below Stripe's minimum charge is charged, and not carried over in the customer's balance.
* `cancel_at_period_end` with items of different intervals waits for the longest period.
* The fee of a charge is 2.9 % and 30 minor units in every currency; a dispute costs 1,500 minor units.
* Nothing is paid out on its own; `POST /_sandbox/payouts` makes the automatic payouts.
* The account's balance moves on the account's clock, also where the customer is on a test clock.
* A customer has a balance in one currency.
* Meter events are counted at once, and what comes after the end of a period is not charged any more.
"""
