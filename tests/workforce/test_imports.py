"""Files of tasks, from the first part to the last line: over HTTP, cut anywhere, killed between two steps."""

import io
import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from foundation.jobs import run_steps
from tests import factories
from tests.conftest import House, age
from workforce import importing, imports, tasks
from workforce.imports import ImportMoveNotAllowed, PartDiffers, PartsMissing, TooManyImports
from workforce.models import Batch, BatchStatus, Import, ImportFault, Project, Task, TaskStatus
from workforce.tasks import Question

Token = Callable[..., str]


def _batch(db: Session, status: BatchStatus = BatchStatus.STAGING, **settings_: Any) -> Batch:
    return factories.create_batch(db, factories.create_project(db, **settings_), status=status)


def _home(db: Session, batch: Batch) -> Project:
    return db.get_one(Project, batch.project_id)


def _sent(db: Session, batch: Batch, *parts: bytes, format_: str = "jsonl") -> Import:
    made = imports.announce(db, batch.requester_id, batch=batch.id, format_=format_)
    for number, part in enumerate(parts, 1):
        imports.add_part(db, batch.requester_id, made.id, number, io.BytesIO(part), sent_by=batch.requester_id)
    return imports.begin(db, batch.requester_id, made.id, n_parts=len(parts))


def _read(db: Session, batch: Batch, *parts: bytes, format_: str = "jsonl") -> Import:
    made = _sent(db, batch, *parts, format_=format_)
    run_steps(db, importing.go_on(db))
    return made


def _lines(n: int) -> bytes:
    return b"".join(b'{"unique_id": "%d", "attachment": "bird %d"}\n' % (at, at) for at in range(n))


def _tasks(db: Session, batch: Batch) -> list[Task]:
    return list(db.scalars(select(Task).where(Task.batch_id == batch.id).order_by(Task.position)))


def _faults(db: Session, found: Import) -> list[tuple[int, str, str]]:
    rows = select(ImportFault).where(ImportFault.import_id == found.id).order_by(ImportFault.line)
    return [(each.line, each.pointer, each.reason) for each in db.scalars(rows)]


def test_a_file_is_sent_in_parts_read_and_launched_over_http(
    client: FlaskClient, db: Session, token: Token, books: None
) -> None:
    batch = _batch(db)
    db.commit()
    headers = {"Authorization": f"Bearer {token('requester', batch.requester_id)}"}
    whole = _lines(3) + b'{"attachment": 7}\n'
    made = client.post("/api/imports", json={"batch": batch.name, "format": "jsonl"}, headers=headers).get_json()
    # In any order, cut in the middle of a line, and one of them twice.
    for number, part in ((2, whole[50:]), (1, whole[:50]), (2, whole[50:])):
        sent = client.post(f"/api/import-parts?import_id={made['id']}&number={number}", data=part, headers=headers)
        assert sent.status_code == 201
    begun = client.post(f"/api/imports/{made['id']}/begin", json={"parts": 2}, headers=headers).get_json()
    assert (begun["state"], begun["bytes"], begun["bytes_read"]) == ("reading", len(whole), 0)

    run_steps(db, importing.go_on(db))

    shown = client.get(f"/api/imports/{made['id']}", headers=headers).get_json()
    assert (shown["state"], shown["lines"], shown["made"], shown["bad"]) == ("finished", 4, 3, 1)
    faults = client.get(f"/api/imports/{made['id']}/faults", headers=headers).get_json()["items"]
    assert faults == [{"line": 4, "pointer": "/attachment", "reason": "Not a valid string."}]
    assert len(client.get(f"/api/imports/{made['id']}/parts", headers=headers).get_json()["items"]) == 2
    client.post(f"/v1/batches/{batch.id}/finalize", json={}, headers=headers)
    opened = _tasks(db, batch)
    assert [(task.unique_id, task.params, task.status) for task in opened] == [
        (str(at), {"attachment": f"bird {at}"}, TaskStatus.OPEN) for at in range(3)
    ]


def test_a_task_of_a_file_is_the_task_that_is_sent_by_itself(db: Session, books: None) -> None:
    batch = _batch(db, BatchStatus.IN_PROGRESS)
    line = {
        "unique_id": "u", "attachment": "a", "instruction": "Look.", "callback_url": "https://example.com/",
        "metadata": {"a": [1]}, "error_cost": "0.25", "attachments": [{"b": 2}],
    }  # fmt: skip
    found = _read(db, batch, json.dumps(line).encode())
    project = _home(db, batch)
    other = dict(line, unique_id="v")

    tasks.create(db, project, batch, Question.of(other))

    first, second = _tasks(db, batch)
    assert found.n_made == 1
    same = {column.key for column in Task.__mapper__.column_attrs} - {"id", "unique_id", "position"}
    assert {name: getattr(first, name) for name in same} == {name: getattr(second, name) for name in same}


def test_a_csv_file_names_its_columns(db: Session) -> None:
    batch = _batch(db)

    found = _read(
        db,
        batch,
        b'unique_id,attachment,metadata.place\r\n1,"a\nb",Here\r\n2,"c',
        b'",\r\nonly two,cells\r\n',
        format_="csv",
    )

    assert (found.state, found.n_lines, found.n_made, found.n_bad) == ("finished", 5, 2, 1)
    made = [(task.unique_id, task.params, task.metadata_) for task in _tasks(db, batch)]
    assert made == [("1", {"attachment": "a\nb"}, {"place": "Here"}), ("2", {"attachment": "c"}, {})]
    assert _faults(db, found) == [(5, "", "The row has 2 cells; there are 3 columns.")]


@pytest.mark.parametrize("header", [b"nothing\n", b"\xff\n", b'"', b"unique_id,unique_id\n", b"\n"])
def test_a_csv_file_whose_columns_are_unknown_fails_as_a_whole(db: Session, header: bytes) -> None:
    batch = _batch(db)

    found = _read(db, batch, header + b"1\n", format_="csv")

    assert (found.state, found.n_lines, _tasks(db, batch)) == ("failed", 0, [])
    assert found.why


def test_tasks_of_a_running_batch_are_open_at_once_with_their_worst_case_set_aside(db: Session, books: None) -> None:
    batch = _batch(db, BatchStatus.IN_PROGRESS)

    _read(db, batch, _lines(3))

    project = _home(db, batch)
    worst = tasks.worst_case(db, project, batch).amount
    assert [(task.status, task.reserved) for task in _tasks(db, batch)] == [(TaskStatus.OPEN, worst)] * 3
    reserved = db.scalar(text("SELECT reserved FROM reserves WHERE cause_ref = :id"), {"id": batch.id})
    assert reserved == 3 * worst


def test_a_file_stops_where_the_money_ends_and_goes_on_from_there(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_LINES_AT_ONCE", 10)
    requester = factories.create_requester(db, funds=None)
    factories.pay_in(db, requester.id, "1", "USD")
    project = factories.create_project(db, requester)
    batch = factories.create_batch(db, project)
    worst = tasks.worst_case(db, project, batch).amount
    affordable = 10_000 // worst // 10 * 10

    found = _read(db, batch, _lines(affordable + 25))

    assert (found.state, found.n_lines, found.n_made) == ("stopped", affordable, affordable)
    assert found.why is not None
    assert found.why.startswith(f"From line {affordable + 1} on: ")
    factories.pay_in(db, requester.id, "100", "USD")
    imports.begin(db, requester.id, found.id, n_parts=1)
    run_steps(db, importing.go_on(db))
    assert (found.state, found.n_made, found.n_bad) == ("finished", affordable + 25, 0)
    assert [task.unique_id for task in _tasks(db, batch)] == [str(at) for at in range(affordable + 25)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(1, 200), max_size=4), dies=st.lists(st.booleans(), max_size=12))
def test_whoever_dies_between_any_two_steps_makes_no_task_twice_and_leaves_none_out(
    db: Session, monkeypatch: pytest.MonkeyPatch, cuts: list[int], dies: list[bool]
) -> None:
    monkeypatch.setattr(importing, "_LINES_AT_ONCE", 3)
    whole = _lines(11).replace(b'"attachment": "bird 4"', b'"attachment": 4')
    ends = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    with db.begin_nested() as all_of_it:
        batch = _batch(db)
        found = _sent(db, batch, *(whole[a:b] for a, b in itertools.pairwise(ends)))
        for dead in dies:
            with db.begin_nested() as one:
                importing.step(db, found.id)
                if dead:
                    one.rollback()
        while found.state == "reading":
            importing.step(db, found.id)

        assert [task.unique_id for task in _tasks(db, batch)] == [str(at) for at in range(11) if at != 4]
        assert (found.n_lines, found.n_made, found.n_bad) == (11, 10, 1)
        all_of_it.rollback()


def test_a_unique_id_that_is_taken_is_a_fault_and_the_rest_goes_on(db: Session) -> None:
    batch = _batch(db)
    factories.create_task(db, _home(db, batch), batch, unique_id="1")

    found = _read(db, batch, _lines(3) + b'{"unique_id": "2"}\n')

    said = "Another task of yours has this unique_id."
    assert _faults(db, found) == [(2, "/unique_id", said), (4, "/unique_id", said)]
    assert (found.n_made, found.n_bad) == (2, 2)


def test_one_who_sends_a_task_while_a_file_with_it_is_read_gets_a_clear_answer(house: House) -> None:
    with house.sessions() as db:
        batch = _batch(db)
        found = _sent(db, batch, _lines(50))
        db.commit()
        batch_id, requester, found_id = batch.id, batch.requester_id, found.id
    client, about_to = house.app.test_client(), threading.Event()

    def send() -> Any:
        headers = {"Authorization": f"Bearer {house.token('requester', requester)}"}
        about_to.set()
        return client.post("/v1/task/categorization", json={"batch": batch_id, "unique_id": "7"}, headers=headers)

    with ThreadPoolExecutor(1) as pool, house.sessions() as db:
        importing.step(db, found_id)
        sent = pool.submit(send)
        about_to.wait()
        db.commit()

    assert (sent.result().status_code, sent.result().get_json()["type"]) == (409, "/problems/unique-id-taken")


def test_an_amount_that_the_currency_does_not_have_is_a_fault_at_its_place(db: Session) -> None:
    found = _read(db, _batch(db), b'{"error_cost": "0.000001"}\n{"error_cost": "0.5"}\n')

    assert [(line, pointer) for line, pointer, _ in _faults(db, found)] == [(1, "/error_cost")]
    assert found.n_made == 1


def test_so_many_faults_are_kept_and_all_are_counted(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "FAULTS_KEPT", 3)
    monkeypatch.setattr(importing, "_LINES_AT_ONCE", 2)

    found = _read(db, _batch(db), b"x\n" * 7)

    assert (found.n_bad, len(_faults(db, found))) == (7, 3)


def test_other_bytes_as_a_part_that_was_sent_are_refused(db: Session) -> None:
    batch = _batch(db)
    made = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
    imports.add_part(db, batch.requester_id, made.id, 1, io.BytesIO(b"one"), sent_by="r")

    with pytest.raises(PartDiffers):
        imports.add_part(db, batch.requester_id, made.id, 1, io.BytesIO(b"two"), sent_by="r")
    assert (made.n_parts, made.n_bytes) == (1, 3)


@pytest.mark.parametrize(("numbers", "n_parts"), [([1, 3], 3), ([1, 2], 1), ([], 1), ([2], 1)])
def test_a_file_is_begun_when_just_its_parts_are_there(db: Session, numbers: list[int], n_parts: int) -> None:
    batch = _batch(db)
    made = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
    for number in numbers:
        imports.add_part(db, batch.requester_id, made.id, number, io.BytesIO(b"a\n"), sent_by="r")

    with pytest.raises(PartsMissing):
        imports.begin(db, batch.requester_id, made.id, n_parts=n_parts)
    assert made.state == "receiving"


def test_an_empty_part_is_refused(db: Session) -> None:
    batch = _batch(db)
    made = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")

    with pytest.raises(PartsMissing):
        imports.add_part(db, batch.requester_id, made.id, 1, io.BytesIO(b""), sent_by="r")


def test_a_file_that_is_read_takes_no_more_parts(db: Session) -> None:
    batch = _batch(db)
    made = _read(db, batch, _lines(1))

    with pytest.raises(ImportMoveNotAllowed):
        imports.add_part(db, batch.requester_id, made.id, 2, io.BytesIO(b"a"), sent_by="r")


def test_a_cancelled_file_is_read_no_further_and_its_tasks_stay(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_LINES_AT_ONCE", 2)
    batch = _batch(db)
    made = _sent(db, batch, _lines(5))
    importing.step(db, made.id)

    imports.cancel(db, batch.requester_id, made.id)
    run_steps(db, importing.go_on(db))

    assert (made.state, len(_tasks(db, batch))) == ("cancelled", 2)
    assert imports.cancel(db, batch.requester_id, made.id).state == "cancelled"
    with pytest.raises(ImportMoveNotAllowed):
        imports.begin(db, batch.requester_id, made.id, n_parts=1)


def test_a_file_of_a_completed_batch_stops(db: Session) -> None:
    batch = _batch(db)
    made = _sent(db, batch, _lines(2))
    batch.status = BatchStatus.COMPLETED
    db.flush()

    run_steps(db, importing.go_on(db))

    assert (made.state, made.why) == ("stopped", "From line 1 on: This batch is completed; make a new one.")


def test_a_few_files_at_once_are_all_that_one_requester_may_have(db: Session) -> None:
    batch = _batch(db)
    made = [imports.announce(db, batch.requester_id, batch=batch.id, format_="csv") for _ in range(3)]

    with pytest.raises(TooManyImports):
        imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
    imports.cancel(db, batch.requester_id, made[0].id)
    imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")


def test_what_nobody_goes_on_with_is_forgotten_and_so_are_the_bytes_of_what_is_over(db: Session) -> None:
    batch = _batch(db)
    left = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
    imports.add_part(db, batch.requester_id, left.id, 1, io.BytesIO(b"x" * 600_000), sent_by="r")
    over = _read(db, batch, _lines(1))
    assert imports.forget(db) == 1
    age(db, "imports", "moved_at", 8 * 86_400)

    while imports.forget(db):
        pass

    db.expire_all()
    assert (left.state, over.state) == ("expired", "finished")
    assert db.scalar(select(func.count()).select_from(text("import_pieces"))) == 0
    assert len(_tasks(db, batch)) == 1
