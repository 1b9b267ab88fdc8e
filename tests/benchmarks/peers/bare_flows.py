"""Bare DBOS: a queue, and a workflow of thirteen steps that do nothing. `bare_flows.py DATABASE_URL`."""

import asyncio
import json
import logging
import sys

from dbos import DBOS

STEPS = 13
QUEUE, WORKFLOW = "bare", "bare_flow"


async def step(number: int) -> dict[str, str | int]:
    """Return as much as a step of an order keeps."""
    return {"kind": "done", "reason_code": "", "pause_s": 0, "what_to_do": "", "number": number}


@DBOS.workflow(name=WORKFLOW)
async def bare_flow(flow_id: str) -> str:
    """Run the steps."""
    for number in range(STEPS):
        await DBOS.run_step_async({"name": f"step_{number}"}, step, number)
    return flow_id


async def main(database_url: str) -> None:
    """Work on the queue until killed."""
    DBOS(
        config={
            "name": "bare",
            "system_database_url": database_url.replace("postgresql://", "postgresql+psycopg://", 1),
            "application_version": "1",
            "log_level": "ERROR",
        }
    )
    DBOS.listen_queues([QUEUE])
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE, worker_concurrency=20, polling_interval_sec=0.1)
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.getLogger("dbos").setLevel(logging.ERROR)
    asyncio.run(main(sys.argv[1]))
