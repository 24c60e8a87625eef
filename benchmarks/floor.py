"""The floor under claim and submit: a bare Flask view that runs the product's own statements and nothing else.

The same server, pool, session settings and commits; no schema, no policy, no strict reading, no headers, no log. An
answer, its vote and its event are a statement each here, as they were at first in the product, which says all of it in
one by now: what that spares is to show, and what it costs to be a product is still to be paid out of it.
"""

import hashlib
import json
from typing import Any

import flask
from sqlalchemy import Connection, Row, text

from foundation import auth, db, ids, outbox, settings
from payments import rates
from quality import votes
from workforce import assignment
from workforce.models import Kind
from workforce.tiers import STARTING

_STORE = text("""
    WITH done AS (UPDATE assignments SET status = 'answered' WHERE id = :assignment_id AND project_id = :project_id),
    gone AS (DELETE FROM drafts WHERE assignment_id = :assignment_id AND project_id = :project_id)
    INSERT INTO answers (id, project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late)
    VALUES (:answer_id, :project_id, :assignment_id, :task_id, :worker_id, :kind, CAST(:payload AS jsonb), :label,
            'submitted', :late)
    RETURNING created_at
""")

app = flask.Flask("floor")
_configured = settings.read()
assert _configured.database_url is not None
_engine = db.make_engine(_configured.database_url, pool_size=_configured.web_threads)


@app.post("/api/claims")
def claim() -> Any:
    """Authenticate, find a project, quote, claim."""
    wanted = flask.request.get_json()
    with _engine.begin() as connection:
        me = _authenticate(connection)
        where = {"worker_id": me.subject_id, "project_id": wanted["project_id"], "starting": int(STARTING)}
        project = connection.execute(assignment.ELIGIBLE_ONE, {**where, "most": 10}).first()
        assert project is not None
        asked = {"owner_ref": project.project_id, "tier": project.tier, "region": project.country}
        price = connection.execute(rates.QUOTE, asked).one()
        assignment_id = ids.new("asg")
        lease = connection.execute(
            assignment.claim_of(Kind.ANSWER, 1),
            {
                "assignment_ids": [assignment_id], "worker_id": me.subject_id, "project_id": project.project_id,
                "leases_max": assignment.LEASES_MAX,
                "lease_seconds": project.lease_seconds, **price._asdict(),
            },
        ).one()  # fmt: skip
        return {
            "id": assignment_id, "task_id": lease.task_id, "project_id": project.project_id, "kind": "answer",
            "fence": lease.fence, "lease_expires_at": lease.lease_expires_at.isoformat(), "pay": str(price.amount),
            "currency": price.currency, "instruction": project.instruction, "params": lease.params,
            "labels": project.labels,
        }  # fmt: skip


@app.post("/api/assignments/<assignment_id>/answer")
def submit(assignment_id: str) -> Any:
    """Authenticate, lock the lease, store the answer, cast the vote, tell the fact."""
    sent = flask.request.get_json()
    with _engine.begin() as connection:
        me = _authenticate(connection)
        where = {"assignment_id": assignment_id, "worker_id": me.subject_id}
        held = connection.execute(assignment.HELD, where).one()
        label = held.labels.index(sent["payload"]["category"])
        answer_id = ids.new("ans")
        row = {
            "answer_id": answer_id, "project_id": held.project_id, "task_id": held.task_id, "kind": held.kind,
            "payload": json.dumps(sent["payload"]), "label": label, "late": held.overdue, **where,
        }  # fmt: skip
        created = connection.execute(_STORE, row).scalar_one()
        vote = {"project_id": held.project_id, "task_id": held.task_id, "voter_id": me.subject_id, "label": label}
        connection.execute(votes.CAST, {**vote, "is_expert": False, "too_fast": False})
        told = {"answer_id": answer_id, "task_id": held.task_id, "project_id": held.project_id}
        connection.execute(
            outbox.INSERT, {"topic": "AnswerSubmitted", "stream": held.project_id, "payload": json.dumps(told)}
        )
        return {
            "id": answer_id, "assignment_id": assignment_id, "task_id": held.task_id, "kind": held.kind,
            "payload": sent["payload"], "status": "submitted", "late": held.overdue, "created_at": created.isoformat(),
        }  # fmt: skip


def _authenticate(connection: Connection) -> Row[Any]:
    secret = flask.request.headers["Authorization"].removeprefix("Bearer ")
    return connection.execute(auth.AUTHENTICATE, {"secret_hash": hashlib.sha256(secret.encode()).digest()}).one()
