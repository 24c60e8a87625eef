"""A house to measure: real engines with the settings of production, the application, and people to work in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

import wsgi
from foundation import app, auth, db, embedded, http, jobs, outbox
from foundation.limits import Limits
from workforce import onboarding, requesters
from workforce.models import WorkerStatus

SKILL = "image.categorization"
LABELS = ("crow", "rook")
# Clients that never rest are counted like any other, and never refused.
NO_LIMITS = dict.fromkeys(("worker", "requester", "finance", "strangers", "applications"), 10**9)
_RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]


_FILL = text("""
    INSERT INTO tasks (id, project_id, batch_id, requester_id, status, params, metadata, callback_url, overlap,
                       free_slots, position, reserved)
    SELECT 'tsk_' || lpad(p.position::text, 10, '0') || substr(md5(f.project_id), 1, 16), f.project_id, f.batch_id,
           f.requester_id, 'open', f.params, f.metadata, f.callback_url, f.overlap, f.overlap, p.position, 0
      FROM (SELECT * FROM tasks WHERE project_id = :project_id ORDER BY position LIMIT 1) f,
           (SELECT nextval('task_positions') AS position FROM generate_series(1, :n_tasks)) p
""")


@dataclass(frozen=True, slots=True)
class House:
    """An installation and shorthand for what people do in it over HTTP, in this process."""

    engines: embedded.Engines
    engine: Engine
    sessions: sessionmaker[Session]
    application: Flask
    requester: str

    def send(self, token: str, path: str, body: Any = None) -> Any:
        """The JSON of a successful POST."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.application.test_client().post(path, json=body, headers=headers)
        assert answer.status_code < 400, answer.text
        return answer.get_json(silent=True)

    def project(self, *, name: str = "Bench", overlap: int, **settings: Any) -> str:
        rules = {"labels": list(LABELS), "rates": _RATES, "overlap_min": overlap, "overlap_max": overlap, **settings}
        return str(self.send(self.requester, "/api/projects", {"name": name, **rules})["id"])

    def task(self, project_id: str) -> None:
        self.send(self.requester, "/v1/task/categorization", {"project": project_id, "attachment": "a bird"})

    def filled_project(self, *, name: str, overlap: int, n_tasks: int) -> str:
        """A project with so many open tasks."""
        project_id = self.project(name=name, overlap=overlap)
        self.task(project_id)
        self.fill(project_id, n_tasks - 1)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("ANALYZE tasks"))
        return project_id

    def fill(self, project_id: str, n_tasks: int) -> None:
        """Put so many tasks more into a project's queue, like its first one."""
        with self.sessions() as opened_session:
            opened_session.execute(text("SET statement_timeout = 0"))
            opened_session.execute(_FILL, {"project_id": project_id, "n_tasks": n_tasks})
            opened_session.commit()

    def worker(self) -> str:
        """The token of a new active worker."""
        return self.workers(1)[0][1]

    def workers(self, number: int) -> list[tuple[str, str]]:
        """Ids and tokens of new active workers."""
        made = []
        with self.sessions() as opened_session:
            for _ in range(number):
                worker, token = onboarding.apply(opened_session, name="Worker", country="KE")
                onboarding.move(opened_session, worker.id, WorkerStatus.ACTIVE)
                made.append((worker.id, token))
            opened_session.commit()
        return made

    def claim(self, token: str, project_id: str) -> Any:
        return self.send(token, "/api/claims", {"project_id": project_id})

    def submit(self, token: str, lease: Any) -> Any:
        body = {"fence": lease["fence"], "payload": {"category": LABELS[1]}}
        return self.send(token, f"/api/assignments/{lease['id']}/answer", body)

    def answer(self, token: str, project_id: str) -> None:
        self.submit(token, self.claim(token, project_id))

    def deliver(self) -> None:
        jobs.deliver_all(self._background())

    def deliver_once(self) -> None:
        assert outbox.deliver(self.sessions, outbox.reactions(wsgi.program.reactions)) > 0

    def _background(self) -> jobs.Background:
        return jobs.Background(self.engine, self.sessions, outbox.reactions(wsgi.program.reactions), ())


@contextmanager
def opened(data_dir: Path) -> Iterator[House]:
    """A house in a folder of its own, with a requester who has paid in."""
    with embedded.engines(data_dir) as engines:
        # What processes of the house import is what is measured, and they do not import Alembic.
        from foundation.migrating import migrate  # noqa: PLC0415

        migrate(engines.database_owner_url, engines.database_url)
        engine = db.make_engine(engines.database_url, patient=True)
        sessions = db.sessions(engine)
        application = app.build_app(
            http.House(sessions, lambda: None, Limits(amounts=NO_LIMITS)), wsgi.program.routes, version=wsgi.VERSION
        )
        with sessions() as opened_session:
            requester, token = requesters.register(opened_session, name="Bench")
            _, finance = auth.issue(opened_session, role="finance", subject_id="bench")
            opened_session.commit()
        house = House(engines, engine, sessions, application, token)
        paid = {"owner_ref": requester.id, "currency": "USD", "amount": "10000000", "bank_reference": "bench"}
        house.send(finance, "/api/top-ups", paid)
        try:
            yield house
        finally:
            engine.dispose()
