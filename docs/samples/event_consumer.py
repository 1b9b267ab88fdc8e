"""An application that hears of orders: reads its tenant's events as one of a consumer group, each at least once.

    python docs/samples/event_consumer.py "$(cat build/demo/consumer-fulfilment.url)" nordwind fulfilment

Copy it and put your own work into `handle`. It needs the package `redis`, and a user that may read the stream
(docs/events.md). Every reader of a group needs a name of its own; here it is that of the machine and the process.
"""

import json
import os
import signal
import socket
import sys
from typing import Any

import redis

BATCH = 50
WAIT_MS = 5_000
# Longer than `handle` ever takes: what a reader has had for so long without a word, another takes over.
LEFT_BEHIND_MS = 60_000


class Consumer:
    """Reads a stream in a group, and remembers how far it is with each subject."""

    def __init__(self, url: str, tenant: str, group: str) -> None:
        # Longer than a read waits for the next event.
        self.redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2 * WAIT_MS / 1000)
        self.stream, self.group = f"quoteway:events:{tenant}", group
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        # Yours belongs in a database, written in the transaction of your own work: an event may come twice.
        self.sequences: dict[str, int] = {}

    def join(self) -> None:
        """Make the group, where it is not there yet, from the oldest event that the stream still has."""
        try:
            self.redis.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def read(self) -> None:
        """Handle what a reader that is gone has left behind, and then what is new, or wait a while for it."""
        left_behind = self.redis.xautoclaim(self.stream, self.group, self.name, LEFT_BEHIND_MS, count=BATCH)
        self.handle_all(left_behind[1])
        for _, entries in self.redis.xreadgroup(self.group, self.name, {self.stream: ">"}, count=BATCH, block=WAIT_MS):
            self.handle_all(entries)

    def handle_all(self, entries: list[tuple[str, dict[str, str]]]) -> None:
        """Handle entries in their order, each once."""
        for entry_id, fields in entries:
            event = json.loads(fields["event"])
            sequence = int(event["sequence"])
            # An event that came before, or that a later one of its subject has overtaken, is done already.
            if sequence > self.sequences.get(event["subject"], 0):
                handle(event)
                self.sequences[event["subject"]] = sequence
            self.redis.xack(self.stream, self.group, entry_id)  # last: what is not acknowledged comes again


def handle(event: dict[str, Any]) -> None:
    """Do your work. Pass over events and members that you do not know: new ones are added without notice."""
    data = event["data"]
    if event["type"] == "order.booked":
        total = data.get("total") or {}
        print(
            f"order {data['orderId']} of account {data.get('accountId')}: quote {data.get('quoteId')}, "
            f"{total.get('amount')} {total.get('currency')}, in the ERP as {data.get('erpOrderNumber')}",
            flush=True,
        )
    else:
        print(f"{event['type']} of {event['subject']}", flush=True)


def main() -> None:
    """Read until SIGTERM or Ctrl-C."""
    url, tenant, group = sys.argv[1:4]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    consumer = Consumer(url, tenant, group)
    consumer.join()
    try:
        while True:
            consumer.read()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
