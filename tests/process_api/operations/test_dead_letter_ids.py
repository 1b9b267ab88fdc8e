"""The id of a dead letter says where it comes from, whatever a flow's id holds."""

from hypothesis import given
from hypothesis import strategies as st

from process_api.operations.dead_letter_sources import DeadLetterKind, kind_of, split_id

TENANTS = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)
IDS = st.from_regex(r"[A-Za-z0-9_.:-]{1,50}", fullmatch=True)
SENDERS = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True).filter(lambda sender: sender != "event")


@given(TENANTS, IDS)
def test_a_flows_id_is_a_flows_whatever_it_holds(tenant: str, subject: str) -> None:
    flow_id = f"{tenant}.{subject}"
    assert (kind_of(flow_id), split_id(flow_id)) == (DeadLetterKind.flow, ("", flow_id))


@given(SENDERS, IDS)
def test_a_webhooks_id_names_its_sender(sender: str, event_id: str) -> None:
    dead_letter_id = f"{sender}:{event_id}"
    assert (kind_of(dead_letter_id), split_id(dead_letter_id)) == (DeadLetterKind.webhook, (sender, event_id))


@given(IDS)
def test_an_events_id_says_so(event_id: str) -> None:
    assert (kind_of(f"event:{event_id}"), split_id(f"event:{event_id}")) == (DeadLetterKind.event, ("event", event_id))
