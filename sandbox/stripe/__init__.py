"""A simulator of Stripe Billing: one account, in memory, that speaks Stripe's wire protocol.

It answers in the shapes of API versions 2025-03-31.basil and later. What it does not simulate it refuses by name
(`parameter_unknown`, "Unrecognized request URL"); it never accepts a parameter and ignores it.
"""
