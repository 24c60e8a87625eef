"""What `rookery demo` shows: recorded people at work, over HTTP, and a report of what came of it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from demo import crowd, recorded, report
from demo.crowd import Api, DemoFailure, Journey
from demo.recorded import Recorded
from foundation import auth, commands, db, serving
from foundation.installation import Installation
from foundation.settings import Settings


def show(configured: Settings, *, leave: bool, orders: int) -> None:
    """Serve, let so many orders of arrival go by, report, and stay up unless it is to `leave`."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        console.print("Starting PostgreSQL, Redis, web and background processes ...")
        with commands.sentences(), serving.serving(configured, quiet=True) as (address, supervisor, installation):
            healthy = _run(_Stage(console, address, supervisor.tend), installation, orders)
            if not leave:
                console.print(f"\nRookery stays up at {address} (API at {address}/api/docs/) until Ctrl-C.")
                serving.stay(supervisor)
                console.print("\nStopping.")
    except KeyboardInterrupt:
        console.print("Stopped.")
        return
    except DemoFailure as failure:
        raise commands.OneSentence(f"The demo failed: {failure}") from failure
    if not healthy:
        raise commands.OneSentence("The books do not agree; `rookery check` says where.")


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo is told and plays, and what keeps the service up meanwhile."""

    console: Console
    address: str
    tend: Callable[[], None]


def _run(stage: _Stage, installation: Installation, orders: int) -> bool:
    tokens = _staff_tokens(installation)
    people = recorded.read()
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    with httpx.Client(base_url=stage.address, timeout=30, limits=limits) as http:
        ops, finance = Api(http, tokens["ops"]), Api(http, tokens["finance"])
        journeys = [_order(stage, people, ops, finance, number) for number in range(1, orders + 1)]
        results = [report.result(journey) for journey in journeys]
        last = journeys[-1]
        if orders > 1:
            report.show_orders(stage.console, results)
        report.show_table(stage.console, people, results)
        report.show_people(stage.console, last)
        healthy = report.show_books(stage.console, last)
        report.show_statement(stage.console, last)
        report.show_curls(stage.console, stage.address, _callers(last))
    return healthy


def _staff_tokens(installation: Installation) -> dict[str, str]:
    """Tokens for an ops person and a finance clerk, as `rookery token issue` would issue them."""
    engine = db.make_engine(installation.database_url, pool_size=1)
    with db.sessions(engine)() as session:
        issued = {
            role: auth.issue(session, role=role, subject_id=f"demo {role}", name="demo", days=7)[1]
            for role in ("ops", "finance")
        }
        session.commit()
    engine.dispose()
    return issued


def _order(stage: _Stage, people: Recorded, ops: Api, finance: Api, number: int) -> Journey:
    journey = crowd.prepare(people, ops, finance, tag=f"{time.time_ns():x}", order=number)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of {task.total} settled")
    with Progress(*columns, TimeElapsedColumn(), console=stage.console) as bar:
        row = bar.add_task(f"Order {number}", total=len(people.truth))

        def told(journey: Journey, settled: int) -> None:
            said = f"Order {number}: {journey.answers} answers, {journey.decisions} expert decisions"
            bar.update(row, completed=settled, description=said)
            stage.tend()

        crowd.work(journey, order=number, told=told)
    return journey


def _callers(journey: Journey) -> dict[str, tuple[str, str, str]]:
    _, worker = next(iter(journey.workers.values()))
    project = journey.project_id
    return {
        "requester": ("progress and spend", f"/api/projects/{project}/progress", journey.requester.token),
        "worker": ("pending and due pay", "/api/me/statement", worker.token),
        "expert": ("answers, newest first", "/api/me/answers?limit=3", journey.expert.token),
        "ops": ("workers' reliability", f"/api/projects/{project}/reliability?limit=3", journey.ops.token),
        "finance": ("what is owed, as CSV", "/api/payables.csv", journey.finance.token),
    }
