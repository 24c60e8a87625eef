"""Requests about training and exams that are answered as they should be."""

import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from foundation import fields, ids
from tests import factories
from tests.attack.request import Good
from workforce import attempts, exams
from workforce.models import Project

_numbers = itertools.count(1)


def _new_exam(db: Session) -> Good:
    body = {
        "name": f"Winter birds {next(_numbers)}", "purpose": "exam", "labels": ["crow", "rook"],
        "instruction": "Which bird is it?", "skill": "image.categorization", "pools": ["crowd"], "countries": ["KE"],
        "languages": ["sw"], "language_level": "b1",
        "rates": [{"tier": 0, "amount": "0.50", "currency": "USD", "region": "KE"}], "questions": 100,
        "right_needed": 1, "seconds": 600, "attempts_max": 2, "cool_down_days": 7,
    }  # fmt: skip
    return Good("requester", factories.create_requester(db).id, body=body, known={"/rates/0/currency": 422})


def _of_exam(body: Any = None, *, role: str = "requester", **known: Any) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        exam = factories.create_exam(db)
        factories.sit(db, factories.create_worker(db), exam, right=4)
        owner = ids.new("stf") if role == "ops" else db.get_one(Project, exam.project_id).requester_id
        return Good(role, owner, {"project_id": exam.project_id}, body, **known)

    return good


def _listed(db: Session) -> Good:
    factories.create_exam(db)
    return Good("ops", query="limit=1")


def _retired(db: Session) -> Good:
    exam = factories.create_exam(db)
    question = exams.add_question(db, exam.project_id, exams.Question({}, "rook"), added_by="tok_1")
    names = {"project_id": exam.project_id, "question_id": question.id}
    return Good("requester", db.get_one(Project, exam.project_id).requester_id, names)


def _attempts(db: Session) -> Good:
    exam, worker = factories.create_exam(db), factories.create_worker(db)
    factories.sit(db, worker, exam, right=4)
    return Good("ops", query=f"limit=1&state=passed&worker_id={worker.id}&project_id={exam.project_id}")


def _mine(db: Session) -> Good:
    worker = factories.create_worker(db)
    factories.sit(db, worker, factories.create_exam(db), right=4)
    return Good("worker", worker.id, query="limit=1")


def _start(db: Session) -> Good:
    return Good("worker", factories.create_worker(db).id, {"project_id": factories.create_exam(db).project_id})


class _Category(fields.Schema):
    category = fields.Text(required=True)


def _attempt(body: Any = None, **known: Any) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        worker = factories.create_worker(db)
        attempt = attempts.start(db, worker.id, factories.create_exam(db, n=100).project_id)
        return Good("worker", worker.id, {"attempt_id": attempt.id}, body, **known)

    return good


GOOD: dict[str, Callable[[Session], Good]] = {
    "POST /api/exams": _new_exam,
    "GET /api/exams": _listed,
    "GET /api/exams/<project_id>/statistics": _of_exam(),
    "POST /api/exams/<project_id>/questions": _of_exam(
        {"params": {"attachment": "x"}, "category": "rook", "explanation": "Its beak."}, known={"/category": 422}
    ),
    "GET /api/exams/<project_id>/questions": _of_exam(query="limit=1"),
    "POST /api/exams/<project_id>/questions/<question_id>/retirement": _retired,
    "POST /api/exams/<project_id>/qualification": _of_exam({"qualifies": True}, role="ops"),
    "GET /api/exam-attempts": _attempts,
    "GET /api/me/exams": _mine,
    "POST /api/exams/<project_id>/attempts": _start,
    "GET /api/attempts/<attempt_id>/question": _attempt(),
    "POST /api/attempts/<attempt_id>/answers": _attempt(
        {"place": 1, "payload": {"category": "rook"}},
        known={"/payload": 422, "/payload/category": 422, "/payload/kept/0": 422},
        inside={"/payload": _Category()},
    ),
    "POST /api/attempts/<attempt_id>/end": _attempt(),
    "GET /api/me/attempts": _mine,
}
