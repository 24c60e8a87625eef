"""The real SDK against a real HTTP server: what a customer's unchanged script does."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from scaleapi import ScaleClient
from scaleapi.batches import BatchStatus
from scaleapi.exceptions import (
    ScaleDuplicateResource,
    ScaleInvalidRequest,
    ScaleNotEnabled,
    ScaleResourceNotFound,
    ScaleUnauthorized,
)
from scaleapi.tasks import TaskStatus, TaskType
from werkzeug.serving import make_server

from tests import factories
from tests.conftest import House

RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]
PARAMS = {
    "instruction": "Which bird is it?",
    "categories": ["crow", "rook"],
    "rates": RATES,
    "overlap_min": 2,
    "overlap_max": 2,
    "confidence_target": 0.5,
    "expert_share": 0.0,
}
# The SDK leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::DeprecationWarning"
)


@pytest.fixture
def address(house: House) -> Iterator[str]:
    """Where the house answers on a real port."""
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def _connect(secret: str, address: str) -> Any:
    # The SDK has no types.
    sdk: Any = ScaleClient
    return sdk(secret, source="journey", api_instance_url=address)


def _client(house: House, address: str, *, funds: str | None = "100") -> Any:
    with house.sessions() as db:
        requester = factories.create_requester(db, funds=funds)
        db.commit()
    return _connect(house.token("requester", requester.id), address)


def test_a_script_written_for_scale_runs_unchanged(house: House, address: str) -> None:
    client = _client(house, address)

    project = client.create_project("birds / winter", TaskType.Categorization, PARAMS)
    batch = client.create_batch("birds / winter", "monday / 1", metadata={"camera": 7})
    tasks = [
        client.create_task(
            TaskType.Categorization,
            project=project.name,
            batch=batch.name,
            unique_id=f"photo/{number}",
            attachment=f"https://example.test/{number}.jpg",
            attachment_type="image",
        )
        for number in range(5)
    ]
    batch.finalize()

    assert client.get_project("birds / winter").instruction == "Which bird is it?"
    assert [one.name for one in client.projects()] == ["birds / winter"]
    assert client.get_batch("monday / 1").metadata == {"camera": 7}
    assert batch.status == BatchStatus.InProgress.value
    assert [one.name for one in client.get_batches(project_name=project.name)] == ["monday / 1"]

    listed = client.tasks(project=project.name, batch=batch.name, limit=3)
    assert [task.id for task in listed] == [task.id for task in reversed(tasks[2:])]
    assert (listed.total, listed.has_more) == (5, True)
    assert [task.id for task in client.get_tasks(project.name)] == [task.id for task in reversed(tasks)]
    assert client.get_tasks_count(project.name) == 5

    cancelled = client.cancel_task(tasks[4].id)
    assert cancelled.status == TaskStatus.Canceled.value

    with house.sessions() as db:
        for _ in range(2):
            worker = factories.create_worker(db)
            for _ in range(4):
                factories.answer(db, worker, "rook")
        db.commit()
    house.settle()

    done = client.get_task(tasks[0].id)
    assert done.status == TaskStatus.Completed.value
    assert done.as_dict()["response"]["category"] == "rook"
    assert len(list(client.get_tasks(project.name, status=TaskStatus.Completed))) == 4
    batch.get_status()
    assert (batch.tasks_completed, batch.tasks_pending, batch.tasks_canceled) == (4, 0, 1)


def test_every_refusal_is_the_exception_that_scripts_catch(house: House, address: str) -> None:
    client = _client(house, address)
    client.create_project("birds", TaskType.Categorization, PARAMS)
    first = client.create_task(TaskType.Categorization, project="birds", unique_id="photo 1", attachment="x")
    with house.sessions() as db:
        factories.claim(db, factories.create_worker(db))
        db.commit()

    with pytest.raises(ScaleDuplicateResource, match=first.id):
        client.create_task(TaskType.Categorization, project="birds", unique_id="photo 1", attachment="x")
    with pytest.raises(ScaleDuplicateResource):
        client.create_project("birds", TaskType.Categorization, PARAMS)
    with pytest.raises(ScaleInvalidRequest):
        client.cancel_task(first.id)
    with pytest.raises(ScaleResourceNotFound):
        client.get_task("tsk_nothing")
    with pytest.raises(ScaleResourceNotFound):
        client.get_project("no such / name")
    with pytest.raises(ScaleUnauthorized):
        _connect("live_wrong", address).projects()


def test_a_task_that_cannot_be_paid_is_not_enabled(house: House, address: str) -> None:
    client = _client(house, address, funds=None)
    client.create_project("birds", TaskType.Categorization, PARAMS)

    with pytest.raises(ScaleNotEnabled, match="top it up"):
        client.create_task(TaskType.Categorization, project="birds", attachment="x")

    assert client.tasks().total == 0
