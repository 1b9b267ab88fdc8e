"""The tables of the business state. `migrations/` creates them; a test compares the two."""

from process_api.database.tables.access import idempotency_keys, request_keys, token_revocations
from process_api.database.tables.customers import cross_reference_history, cross_references
from process_api.database.tables.flows import flow_attempts, flow_steps, flows, intents
from process_api.database.tables.messages import dead_letter_decisions, events, subscription_states, webhook_inbox
from process_api.database.tables.orders import ENDED_ORDERS, order_timeline, orders
from process_api.database.tables.schema import SCHEMA, metadata
from process_api.database.tables.workers import account_lines, account_turns, executors

__all__ = [
    "ENDED_ORDERS",
    "SCHEMA",
    "account_lines",
    "account_turns",
    "cross_reference_history",
    "cross_references",
    "dead_letter_decisions",
    "events",
    "executors",
    "flow_attempts",
    "flow_steps",
    "flows",
    "idempotency_keys",
    "intents",
    "metadata",
    "order_timeline",
    "orders",
    "request_keys",
    "subscription_states",
    "token_revocations",
    "webhook_inbox",
]
