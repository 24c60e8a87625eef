"""Settled labels as files: what each label rests on and costs, all of them once, in pieces of any size."""

import csv
import io
import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests import factories
from workforce import label_files
from workforce.models import Kind, Project

# A price of 0.02 and a fifth more.
_EACH = 0.024


def _project(db: Session, *said: str) -> Project:
    project = factories.create_project(db, overlap_min=3, overlap_max=3, confidence_target=0.5, expert_share=0.0)
    for number, categories in enumerate(said):
        factories.create_task(db, project, unique_id=f"{number}", metadata={"n": number})
        factories.answer_all(db, project, *categories.split())
        factories.settle(db)
    return project


def _csv(file: label_files.LabelFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(file.chunks()).decode(), newline="")))


def test_a_label_says_what_it_rests_on_and_what_it_cost(db: Session, books: None) -> None:
    project = _project(db, "rook rook rook", "crow crow rook")

    first, second = _csv(label_files.make_csv(db, project, after="", most=10))

    assert [first[name] for name in ("unique_id", "label", "answers", "dissenting")] == ["0", "rook", "3", "0"]
    assert [second[name] for name in ("unique_id", "label", "answers", "dissenting")] == ["1", "crow", "3", "1"]
    assert [float(row["cost"]) for row in (first, second)] == [pytest.approx(3 * _EACH)] * 2
    assert {row["currency"] for row in (first, second)} == {"USD"}
    assert 0.5 < float(second["confidence"]) < float(first["confidence"]) < 1
    assert (first["settled_by"], first["flagged"]) == ("consensus", "false")


def test_an_experts_decision_is_in_the_cost_and_not_among_the_answers(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4), project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)

    (row,) = _csv(label_files.make_csv(db, project, after="", most=10))

    assert (row["settled_by"], row["answers"], row["dissenting"]) == ("expert", "2", "1")
    assert float(row["cost"]) == pytest.approx(2 * _EACH + 0.72)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 6])
def test_pieces_of_any_size_hold_every_label_once(db: Session, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(label_files, "_AT_ONCE", 2)
    project = _project(db, *["rook rook rook"] * 5)
    other = _project(db, "crow crow crow")
    assert other.requester_id != project.requester_id

    seen, after = [], ""
    while True:
        made = label_files.make_jsonl(db, project, after=after, most=most)
        rows = [json.loads(line) for line in b"".join(made.chunks()).splitlines()]
        assert len(rows) == made.rows <= most
        seen += rows
        if made.next is None:
            break
        after = made.next

    assert [row["unique_id"] for row in seen] == ["0", "1", "2", "3", "4"]
    assert [row["metadata"] for row in seen] == [{"n": n} for n in range(5)]


def test_what_a_spreadsheet_would_run_is_quoted_in_csv_alone(db: Session) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    factories.create_task(db, project, unique_id="=1+1")
    factories.answer_all(db, project, "rook")
    factories.settle(db)

    (row,) = _csv(label_files.make_csv(db, project, after="", most=10))
    (line,) = b"".join(label_files.make_jsonl(db, project, after="", most=10).chunks()).splitlines()

    assert (row["unique_id"], json.loads(line)["unique_id"]) == ("'=1+1", "=1+1")


def test_labels_are_taken_over_http_and_say_where_to_go_on(
    client: FlaskClient, db: Session, token: Callable[..., str]
) -> None:
    project = _project(db, "rook rook rook", "crow crow crow")
    factories.create_task(db, project)
    db.commit()
    headers = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}

    first = client.get(f"/api/projects/{project.id}/labels.jsonl?most=1", headers=headers)
    rest = client.get(f"/api/projects/{project.id}/labels.csv?after={first.headers['Rookery-Next']}", headers=headers)

    assert (first.headers["Rookery-Rows"], first.mimetype) == ("1", "application/jsonl")
    assert "Rookery-Next" not in rest.headers
    assert [row["label"] for row in csv.DictReader(io.StringIO(rest.text, newline=""))] == ["crow"]
