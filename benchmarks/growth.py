"""What a claim costs in larger houses: by open tasks, by its worker's own past answers, by projects that fit or do not.

Each size is a house of its own with an engine of its own, all open at once, and measured in turn: in PostgreSQL alone,
by the product's own statements over a bare connection, and over HTTP. Beside them two queries of PYBOSSA, written anew
from what its schedulers do (Scifabric/pybossa, `pybossa/sched.py`: `locked` and `breadth_first`), on the same rows.
"""

import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql import psycopg as dialect

from benchmarks.claims import Seat
from benchmarks.house import House, opened
from benchmarks.web import Web, serving_web
from foundation import ids
from payments import rates
from workforce import assignment, pools, tiers
from workforce.models import Kind
from workforce.tiers import STARTING

SIZES = (1_000, 100_000)
PAST = 100_000
PROJECTS = 200
_VETERANS = 2
_SKILLS = [f"image.kind{letter}" for letter in "abcdefghijklmnopqrst"]
_OVERLAP = 13
_AT_ONCE = 2
_CLAIMS_EACH = 20
_ROUNDS = 30
_ROUNDS_HTTP = 6
_PYBOSSA_ROUNDS = 3

# Of tasks that stand in a project already: who has answered all of them, as if each had taken them one after the other.
_ANSWERED = text("""
    INSERT INTO assignments (id, project_id, task_id, worker_id, kind, status, fence, lease_expires_at, currency,
                             amount, exponent)
    SELECT 'asg_' || substr(md5(w.id || t.id), 1, 26), t.project_id, t.id, w.id, 'answer', 'answered', 1,
           now() + interval '1 hour', 'USD', 20000, 6
      FROM tasks t, unnest(CAST(:workers AS text[])) w(id) WHERE t.project_id = :project_id ORDER BY w.id, t.position
""")
_ANSWERS = text("""
    INSERT INTO answers (id, project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late)
    SELECT 'ans_' || substr(a.id, 5), a.project_id, a.id, a.task_id, a.worker_id, 'answer', '{"category": "rook"}', 1,
           'accepted', false FROM assignments a WHERE a.project_id = :project_id
""")
_SLOTS = text("UPDATE tasks SET free_slots = free_slots - :n, fence = :n WHERE project_id = :project_id")
_CURSORS = text("""
    INSERT INTO claim_cursors (worker_id, project_id, queue, position, next_safe_position, safe_position, safe_at)
    SELECT w.id, :project_id, 'open', p.last, p.last, p.last, now()
      FROM unnest(CAST(:workers AS text[])) w(id),
           (SELECT max(position) AS last FROM tasks WHERE project_id = :project_id) p
""")
_SHARES = text("""
    INSERT INTO worker_shares (worker_id, project_id, n_taken, day, n_today, served_at, stint_at)
    SELECT w.id, :project_id, :n, current_date - 1, 0, now() - interval '1 day', now() - interval '1 day'
      FROM unnest(CAST(:workers AS text[])) w(id)
""")
_DONE = "UPDATE assignments SET status = 'answered' WHERE worker_id = ANY(%s) AND status = 'leased'"

# The tables of PYBOSSA as its schedulers read them, with the indexes that it makes, filled with the tasks and answers
# of one of our projects; `counter` gets a row for a task and one for each answer.
_PYBOSSA = """
    CREATE TABLE pb_task AS SELECT position AS id, 1 AS project_id, 'ongoing' AS state, overlap::int AS n_answers,
                                   0.0::float AS priority_0 FROM tasks WHERE project_id = %(project_id)s;
    CREATE TABLE pb_run AS SELECT row_number() OVER () AS id, 1 AS project_id, t.position AS task_id,
                                  dense_rank() OVER (ORDER BY a.worker_id) AS user_id
      FROM assignments a JOIN tasks t ON t.id = a.task_id WHERE a.project_id = %(project_id)s AND a.status = 'answered';
    CREATE TABLE pb_counter AS SELECT id AS task_id, 1 AS project_id, 0 AS n_task_runs FROM pb_task
      UNION ALL SELECT task_id, 1, 1 FROM pb_run;
    ALTER TABLE pb_task ADD PRIMARY KEY (id); ALTER TABLE pb_run ADD PRIMARY KEY (id);
    CREATE INDEX ON pb_task (project_id); CREATE INDEX ON pb_run (task_id); CREATE INDEX ON pb_run (project_id);
    CREATE INDEX ON pb_run (user_id); CREATE INDEX ON pb_counter (task_id); CREATE INDEX ON pb_counter (project_id);
    ANALYZE pb_task, pb_run, pb_counter
"""
_NOT_MINE = """NOT EXISTS (SELECT FROM pb_run m WHERE m.project_id = 1 AND m.user_id = %s AND m.task_id = t.id)
               AND t.project_id = 1 AND t.state <> 'completed'"""
_LOCKED = f"""
    SELECT t.id, count(r.task_id) AS n_runs, t.n_answers FROM pb_task t LEFT JOIN pb_run r ON r.task_id = t.id
     WHERE {_NOT_MINE} GROUP BY t.id HAVING count(r.task_id) < t.n_answers
     ORDER BY t.priority_0 DESC, t.id LIMIT 25
"""
_BREADTH_FIRST = f"""
    SELECT t.id, sum(c.n_task_runs) AS n_runs FROM pb_task t JOIN pb_counter c ON c.task_id = t.id
     WHERE {_NOT_MINE} GROUP BY t.id ORDER BY n_runs, t.priority_0 DESC, t.id LIMIT 1
"""


@dataclass(slots=True)
class Case:
    """One sort of claim, and claims a second in each round. workers : some new ones each time, or the same.

    cpu : milliseconds of its processor that PostgreSQL spent on a claim, which others on the machine change less.
    """

    name: str
    house: House
    project_id: str | None
    workers: Callable[[], list[tuple[str, str]]]
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)


def run(sizes: Sequence[int] = SIZES) -> None:
    """Print the rate of each case and its ratio to the smallest house's, with the spread of the rounds."""
    print(
        f"Claims as a house grows: {_AT_ONCE} at once in PostgreSQL without waiting for the disk, {_VETERANS} clients "
        f"over HTTP; rounds in turn, each ratio to the first line of its round"
    )
    with ExitStack() as stack:

        def house() -> House:
            return stack.enter_context(opened(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rk-")))))

        houses = {size: house() for size in sizes}
        cases: list[Case] = []
        old: dict[int, str] = {}
        for size, one in houses.items():
            project_id = one.filled_project(name="open", overlap=_OVERLAP, n_tasks=size)
            cases.append(Case(f"{size:>9,} tasks, 0 past answers", one, project_id, _fresh(one)))
            old[size], veterans = _past(one, size)
            cases.append(Case(f"{size:>9,} tasks, {PAST:,} past answers", one, old[size], partial(list, veterans)))
        many = house()
        _projects(many, sizes[-1])
        one_of = Case(f"{sizes[0]:>9,} tasks, any project of 2", houses[sizes[0]], None, _fresh(houses[sizes[0]]))
        some = Case(f"{sizes[-1]:>9,} tasks, any project of {PROJECTS}", many, None, partial(_settled_in, many))
        _in_postgresql([*cases, one_of, some])
        _over_http([*cases, one_of, some])
        _tell(cases)
        _tell([one_of, some])
        for size, one in houses.items():
            _pybossa(one, old[size], size)


def _fresh(house: House) -> Callable[[], list[tuple[str, str]]]:
    return partial(house.workers, _VETERANS)


def _past(house: House, size: int) -> tuple[str, list[tuple[str, str]]]:
    """A project with so many open tasks, and before them others that the same workers have answered, all of them."""
    project_id, workers = house.filled_project(name="past", overlap=_OVERLAP, n_tasks=PAST), house.workers(_VETERANS)
    where = {"project_id": project_id, "workers": [worker_id for worker_id, _ in workers]}
    with house.sessions() as session:
        session.execute(text("SET statement_timeout = 0"))
        session.execute(_ANSWERED, where)
        session.execute(_ANSWERS, where)
        session.execute(_SLOTS, {**where, "n": _VETERANS})
        session.execute(_CURSORS, where)
        session.execute(_SHARES, {**where, "n": PAST})
        session.commit()
    house.fill(project_id, size)
    _vacuum(house)
    return project_id, workers


def _projects(house: House, n_tasks: int) -> None:
    """Projects for different workers, in turn: by pool, country, language and tier."""
    sorts = itertools.product(
        ([], ["crowd"], ["vendor"], ["in_house"]), ([], ["KE", "UG"], ["IN"]), ([], ["en"], ["sw"]), (1, 2, 3)
    )
    for number, (in_pools, countries, languages, tier_min) in zip(
        range(PROJECTS), itertools.cycle(list(sorts)), strict=False
    ):
        project_id = house.project(
            name=f"Project {number}", overlap=_OVERLAP, pools=in_pools, countries=countries, languages=languages,
            language_level="b1", skill=_SKILLS[number % len(_SKILLS)], tier_min=tier_min,
        )  # fmt: skip
        house.task(project_id)
        house.fill(project_id, n_tasks // PROJECTS - 1)
    _vacuum(house)


def _settled_in(house: House) -> list[tuple[str, str]]:
    """New workers with a language, and a tier in half of the skills."""
    workers = house.workers(_VETERANS)
    with house.sessions() as session:
        for worker_id, _ in workers:
            pools.set_languages(session, worker_id, {"en": "c1"})
            for skill in _SKILLS[::2]:
                tiers.set_tier(session, worker_id, skill=skill, tier=3, reason="bench", moved_by="bench")
        session.commit()
    return workers


def _vacuum(house: House) -> None:
    with house.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


def _plain(statement: TextClause) -> str:
    return str(statement.compile(dialect=_DIALECT))


_ONE, _QUOTE = map(_plain, (assignment.ELIGIBLE_ONE, rates.QUOTE))
_ANY = [_plain(assignment.ELIGIBLE_AT_HAND), _plain(assignment.ELIGIBLE)]
_CLAIM = _plain(assignment.claim_of(Kind.ANSWER, 1))


def _in_postgresql(cases: Sequence[Case]) -> None:
    links = {id(case): [_linked(case.house) for _ in range(_AT_ONCE)] for case in cases}
    for number in range(_ROUNDS + 1):
        for case in _in_turn(cases, number):
            rate, cpu = _claimed(case, links[id(case)])
            if number:
                case.rates.append(rate)
                case.cpu.append(cpu)
    for link in itertools.chain.from_iterable(links.values()):
        link.close()


def _in_turn(cases: Sequence[Case], number: int) -> Sequence[Case]:
    """The cases of a round, which begins with another one each time."""
    first = number % len(cases)
    return [*cases[first:], *cases[:first]]


def _linked(house: House) -> psycopg.Connection[Any]:
    link = psycopg.connect(
        house.engines.database_url.replace("+psycopg", ""), row_factory=namedtuple_row, autocommit=True
    )
    link.execute("SET synchronous_commit = off")
    return link


def _spent(links: Sequence[psycopg.Connection[Any]]) -> float:
    """Milliseconds that the backends behind these connections have had a processor."""
    found = [Path(f"/proc/{link.info.backend_pid}/schedstat").read_text().split()[0] for link in links]
    return sum(map(int, found)) / 1e6


def _claimed(case: Case, links: Sequence[psycopg.Connection[Any]]) -> tuple[float, float]:
    """Claims a second of a block, and milliseconds a claim; what was claimed is answered afterwards."""
    workers = [worker_id for worker_id, _ in case.workers()][: len(links)]
    threads = [
        threading.Thread(target=_claims, args=(link, worker_id, case.project_id))
        for link, worker_id in zip(links, workers, strict=True)
    ]
    before, started = _spent(links), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, spent = time.perf_counter() - started, _spent(links) - before
    done = links[0].execute(_DONE, (workers,)).rowcount
    assert done == len(links) * _CLAIMS_EACH, f"{case.name}: {done}"
    return done / seconds, spent / done


def _claims(link: psycopg.Connection[Any], worker_id: str, project_id: str | None) -> None:
    wanted = {
        "worker_id": worker_id, "starting": int(STARTING), "most": 10, "tried": list[str](), "project_id": project_id
    }  # fmt: skip
    statements = _ANY if project_id is None else [_ONE]
    for _ in range(_CLAIMS_EACH):
        with link.transaction():
            found = (row for one in statements for row in link.execute(one, wanted).fetchall() if row.project_id)
            assert any(_is_given(link, worker_id, project) for project in found)


def _is_given(link: psycopg.Connection[Any], worker_id: str, project: Any) -> bool:
    asked = {"owner_ref": project.project_id, "tier": project.tier, "region": project.country}
    price = link.execute(_QUOTE, asked).fetchone()
    assert price is not None
    what = {
        "assignment_ids": [ids.new("asg")], "worker_id": worker_id, "project_id": project.project_id,
        "leases_max": assignment.LEASES_MAX, "lease_seconds": project.lease_seconds, **price._asdict(),
    }  # fmt: skip
    return link.execute(_CLAIM, what).fetchone() is not None


def _over_http(cases: Sequence[Case]) -> None:
    with ExitStack() as stack:
        webs: dict[int, Web] = {}
        for case in cases:
            if id(case.house) not in webs:
                webs[id(case.house)] = stack.enter_context(serving_web(case.house))
        for number in range(_ROUNDS_HTTP + 1):
            for case in _in_turn(cases, number):
                rate = _served(case, webs[id(case.house)])
                if number:
                    case.http.append(rate)


def _served(case: Case, web: Web) -> float:
    """Claims a second of a block over HTTP; what was claimed is answered afterwards."""
    seats = [Seat(case.project_id, [token], n_tasks=_CLAIMS_EACH) for _, token in case.workers()]
    seconds = dict[str, float]()
    for act in ("claims", "submits"):
        for seat in seats:
            seat.connect(web.port)
        threads = [threading.Thread(target=getattr(seat, act)) for seat in seats]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds[act] = time.perf_counter() - started
        assert all(seat.done == _CLAIMS_EACH for seat in seats), case.name
    for seat in seats:
        seat.close()
    return len(seats) * _CLAIMS_EACH / seconds["claims"]


def _tell(cases: Sequence[Case]) -> None:
    first = cases[0]
    for case in cases:
        print(f"  {case.name}")
        cpu, of_first = statistics.median(case.cpu), [1000 / spent for spent in first.cpu]
        print(f"    in PostgreSQL {_ratio(case.rates, first.rates)}")
        print(f"      by its time {_ratio([1000 / spent for spent in case.cpu], of_first)}; {cpu:.2f} ms a claim")
        print(f"    over HTTP     {_ratio(case.http, first.http)}", flush=True)


def _ratio(mine: Sequence[float], first: Sequence[float]) -> str:
    ratios = sorted(one / other for one, other in zip(mine, first, strict=True))
    quarter = len(ratios) // 4
    return (
        f"{statistics.median(mine):7.1f} a second, ratio {statistics.median(ratios):.2f} "
        f"(half of the rounds {ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f})"
    )


def _pybossa(house: House, project_id: str, size: int) -> None:
    """What two of its queries take on the rows of a project with past answers, for a newcomer and for who gave them."""
    took: dict[str, list[float]] = {}
    url = house.engines.database_owner_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as link:
        link.execute(_PYBOSSA, {"project_id": project_id})
        people = ((0, "newcomer"), (1, f"with {PAST:,} answers"))
        asked = list(itertools.product((("locked", _LOCKED), ("breadth_first", _BREADTH_FIRST)), people))
        for _ in range(_PYBOSSA_ROUNDS):
            for (name, query), (user_id, who) in asked:
                started = time.perf_counter()
                link.execute(query, (user_id,)).fetchall()
                took.setdefault(f"{name}, {who}", []).append(time.perf_counter() - started)
    print(f"  PYBOSSA, {size + PAST:,} tasks with {_VETERANS * PAST:,} answers:")
    for name, times in took.items():
        print(f"    {name:36}: {statistics.median(times) * 1000:7,.0f} ms a query", flush=True)
