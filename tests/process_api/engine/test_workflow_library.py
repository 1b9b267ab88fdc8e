"""What we use of the workflow engine's library beside its public interface, at the version that it was read in."""

import inspect
from importlib.metadata import version

from dbos import DBOS, _queue, _workflow_commands
from dbos._dbos import _get_or_create_dbos_registry

from process_api.engine import executor
from process_api.engine.queueing.queues import BEGIN_WORKFLOW, EARLIER_QUEUES, QUEUES, RUN_WORKFLOW, SWEEP_WORKFLOW

# Before raising it: read dbos/_recovery.py (does recovery still put PENDING workflows of the given executors back into
# their queues, idempotently?), what `queueing/queues.py` writes to dbos.workflow_status, and dbos/_queue.py (do its
# threads still pause by waiting for the event that ends them, under these names?), and run tests/faults.
READ_IN = "3.4.0"
EARLIER_NAMES = {"order_submission", "order_booking", "order_second_look"}


def test_the_version_is_the_one_whose_recovery_was_read() -> None:
    assert version("dbos") == READ_IN


def test_recovery_takes_the_executors_whose_workflows_go_back() -> None:
    assert list(inspect.signature(DBOS._recover_pending_workflows).parameters) == ["executor_ids"]


def test_workflows_are_registered_by_their_present_names_and_those_of_the_release_before() -> None:
    assert executor.running_engine.__module__ == "process_api.engine.executor"
    known = _get_or_create_dbos_registry().workflow_info_map
    names = {name for name in known if not name.startswith("<temp>")}
    assert names >= {BEGIN_WORKFLOW, RUN_WORKFLOW, SWEEP_WORKFLOW, *EARLIER_NAMES}
    assert not set(QUEUES) & set(EARLIER_QUEUES)


def test_what_looks_into_queues_pauses_by_waiting_for_the_event_that_ends_it() -> None:
    for looking in (_queue.queue_worker_thread, _queue.queue_thread):
        assert "stop_event.wait(timeout=" in inspect.getsource(looking)
    assert 'name=f"queue-worker-{queue_name}"' in inspect.getsource(_queue.queue_thread)
    assert "_BACKGROUND_JOBS_INTERVAL_SEC," in inspect.getsource(_workflow_commands.background_jobs_thread)
