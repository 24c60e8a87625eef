"""The package's invariants: each turns red when its rule is broken."""

import io
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from foundation.jobs import run_steps
from quality import checking
from quality.events import ReliabilityChanged
from tests import factories
from tests.conftest import Urls
from workforce import (
    appeals,
    bulk_moves,
    bulk_steps,
    checks,
    invitation_lists,
    linked,
    overrides,
    rejections,
    tiers,
)
from workforce.models import Worker


@pytest.fixture(scope="module")
def worked(new_database: Callable[[], Urls]) -> Urls:
    """A database with an open task that is half answered, a leased one and a settled one, committed."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine, expire_on_commit=False, autoflush=False) as db:
        done = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
        factories.create_task(db, done)
        factories.answer_all(db, done, "rook")
        factories.settle(db)
        half = factories.create_project(db, overlap_min=3)
        factories.create_task(db, half)
        factories.answer_all(db, half, "rook")
        factories.claim(db, factories.create_worker(db))
        rich = factories.create_gold_project(db)
        factories.create_task(db, rich)
        factories.create_gold(db, rich)
        worker = factories.create_worker(db)
        for _ in range(2):
            factories.answer(db, worker, project=rich)
        factories.settle(db)
        asked = factories.create_project(
            db, overlap_min=2, overlap_max=2, confidence_target=0.5, expert_share=0.0, acceptance="by_requester"
        )
        factories.create_task(db, asked)
        _, bad = factories.answer_all(db, asked, "rook", "rook")
        factories.settle(db)
        evidence = {"reason": "copied", "evidence": "Word for word."}
        rejections.reject(db, asked, bad.id, decided_by="tok_1", **evidence)
        appeals.appeal(db, bad.worker_id, bad.id, grounds="They are my own words.")
        # As if six answers to gold had been wrong.
        db.execute(
            text("""INSERT INTO checked_votes (project_id, task_id, voter_id, skill, source, is_right)
                    SELECT 'prj', 'tsk_' || i, :id, 'lang', 'gold', false FROM generate_series(1, 6) i"""),
            {"id": worker.id},
        )
        checking.count(db)
        tiers.follow(db, [ReliabilityChanged(worker.id, "lang", 6, 0, 0.0, 0.5)])
        paid = factories.create_exam(db, prices=factories.PRICES, cool_down_days=0)
        for right in (1, 4):
            factories.sit(db, worker, paid, right=right, wrong=4 - right)
        kept = overrides.propose(
            db, worker.id, skill="lang.sw", tier=2, reason="Born there.", days=9, proposed_by="ada"
        )
        overrides.approve(db, kept.id, approved_by="bob")
        people = f"{','.join(invitation_lists._COLUMNS)}\n7,ada@example.com,Ada,KE,,vendor\n"
        sent = io.BytesIO(people.encode())
        invitation_lists.check(db, sent, team="acme", activates=False, made_by="ada")
        _move_many(db)
        one, other = _mates(db)
        linked.declare(db, one.id, other.id, kind="device", evidence="One telephone.", recorded_by="ada")
        db.commit()
    engine.dispose()
    return urls


def _move_many(db: Session) -> None:
    """One bulk move that holds, with a line that is wrong; one that was undone; and one that waits."""
    for act in ("hold", "undo", "wait"):
        skill, worker = factories.SKILL, factories.create_worker(db)
        file = io.BytesIO(f"worker_id,skill,tier\n{worker.id},{skill},3\n{worker.id},{skill},3\n".encode())
        made = bulk_moves.propose(db, file, reason="Tested.", days=9, proposed_by="ada")
        if act != "wait":
            bulk_moves.approve(db, made.id, content_hash=made.hash, approved_by="bob")
            run_steps(db, bulk_steps.go_on(db))
        if act == "undo":
            bulk_moves.undo(db, made.id, reason="The wrong file.", undone_by="ada")
            run_steps(db, bulk_steps.go_on(db))


def _mates(db: Session) -> list[Worker]:
    """Two who hold a task each."""
    mates = [factories.create_worker(db) for _ in range(2)]
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
    for worker in mates:
        factories.create_task(db, project)
        factories.claim(db, worker, project)
    return mates


@pytest.fixture
def owner(worked: Urls) -> Iterator[Session]:
    """The owner's session on that database; what it does is rolled back."""
    engine = create_engine(worked.owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


BREAKS = {
    "W34 a bulk move counts its lines": """
        UPDATE bulk_moves SET n_bad = n_bad + 1, n_lines = n_lines + 1""",
    "W35 a line of an approved bulk move has moved its worker once, just as its preview said": """
        UPDATE bulk_lines SET tier_from = 0 WHERE fate = 'moved'""",
    "W36 of an undone bulk move nothing holds, and whoever it returned went once to where they had stood": """
        UPDATE tier_overrides SET state = 'active', ended_by = NULL, ended_at = NULL
         WHERE id IN (SELECT override_id FROM bulk_lines WHERE fate = 'returned')""",
    "W60 whoever works for one requester alone is of the test world, as is everybody there": """
        UPDATE workers SET works_for = (SELECT min(id) FROM requesters) WHERE id = (SELECT min(id) FROM workers)""",
    "W61 whoever works for one requester alone was given nobody else's task": """
        UPDATE workers w SET works_for = (
               SELECT max(id) FROM requesters WHERE id NOT IN (
                      SELECT p.requester_id FROM assignments a JOIN projects p ON p.id = a.project_id
                       WHERE a.worker_id = w.id))
         WHERE id = (SELECT min(worker_id) FROM assignments)""",
    "W62 in the test world nobody is of the staff, and nothing is paid out": """
        SET LOCAL search_path TO test_world;
        INSERT INTO tokens (id, secret_hash, role, subject_id, name, scopes)
        VALUES ('tok_x', 'x', 'finance', 'Ada', '', '{}')""",
    "W63 the account of somebody's test world is of the test world alone": """
        INSERT INTO test_worlds (account_id, requester_id, opened_by)
        SELECT max(id), min(id), min(id) FROM requesters""",
    "W27 a list of people counts its lines": """
        UPDATE invitation_lists SET n_new = n_new - 1, n_bad = n_bad + 1""",
    "W25 whoever is linked is in one cluster, and in a cluster are just those who are linked": """
        UPDATE workers SET cluster_id = NULL, clustered_at = NULL
         WHERE id = (SELECT min(id) FROM workers WHERE cluster_id IS NOT NULL)""",
    "W26 no task is given to two of a cluster": """
        UPDATE workers SET clustered_at = '2000-01-01' WHERE cluster_id IS NOT NULL;
        UPDATE assignments a SET task_id = (
               SELECT max(b.task_id) FROM assignments b JOIN workers w ON w.id = b.worker_id
                WHERE w.cluster_id IS NOT NULL)
          FROM workers w WHERE w.id = a.worker_id AND w.cluster_id IS NOT NULL""",
    "W1 the slots of a task are its live leases, its answers and what is free": """
        UPDATE tasks SET free_slots = free_slots + 1 WHERE status = 'open'""",
    "W2 nobody answered a task twice": """
        ALTER TABLE answers DROP CONSTRAINT uq_answers_assignment_id_project_id;
        INSERT INTO answers SELECT 'ans_again', project_id, assignment_id, task_id, worker_id, kind, payload, label,
                                   status, late, created_at FROM answers LIMIT 1""",
    "W3 every answer has its vote and every vote its answer": """
        DELETE FROM votes""",
    "W13 a draft is of a task that is held": """
        INSERT INTO drafts (assignment_id, project_id, payload, saved_at)
        SELECT id, project_id, '{}', now() FROM assignments WHERE status = 'answered'""",
    "W4 every answer of a settled task is accepted, or its requester's to judge": """
        UPDATE answers SET status = 'submitted'""",
    "W5 every answer has its earning at the price of its claim, due if accepted, or an event on its way": """
        UPDATE assignments SET amount = amount + 1""",
    "W6 a final task has no free slot and no live lease": """
        UPDATE assignments SET status = 'leased'""",
    "W7 what experts decided is the label, until its requester fixes it or it is corrected": """
        UPDATE answers SET kind = 'adjudication', label = 1 - label""",
    "W8 the project counts its tasks rightly": """
        UPDATE projects SET n_settled = n_settled + 1""",
    "W9 gold is given out as long as it may be, and what it has set aside covers all who may meet it": """
        UPDATE golds SET status = 'retired', ended_by = 'told'""",
    "W10 whoever was given gold is known to have met it, and sees it under a name that tells nothing": """
        UPDATE assignments SET shown_as = NULL""",
    "W11 an answer to gold is accepted when the task before which it was given is final, and all when it is over": """
        UPDATE answers SET status = 'accepted'""",
    "W12 what an open task has set aside covers the worst that it may cost, by any card": """
        INSERT INTO rates (id, owner_ref, tier, region, currency, amount, valid_from)
        SELECT 'rat_' || id, id, 0, 'KE', 'USD', 90000, now() + interval '1 day' FROM projects""",
    "W17 an answer is what its review says of it, and none is rejected without one": """
        UPDATE reviews SET state = 'accepted', decided_at = now() WHERE state = 'waiting'""",
    "W18 what waits for its requester, or may still be appealed, can be paid beside all open tasks": """
        UPDATE reserves SET released = released + 1 WHERE reserved > spent + released""",
    "W19 an appeal is about a rejection, and its answer is what it was decided": """
        UPDATE appeals SET state = 'moot', decided_at = now()""",
    "W21 what a requester has fixed is what they said last": """
        UPDATE tasks SET settled_by = 'requester' WHERE status = 'settled'""",
    "W20 nobody rejects anything while ops look at their rejections": """
        INSERT INTO brakes (id, requester_id, state, since, n_rejected, n_judged, created_at)
        SELECT 'bra_x', requester_id, 'on', now(), 1, 1, now() - interval '1 day' FROM reviews
         WHERE state = 'rejected'""",
    "W40 an attempt is what its answers say of it": """
        UPDATE attempts SET n_right = 0""",
    "W41 an attempt that pays is paid once, when it is over and anything was answered": """
        UPDATE attempts SET state = 'sitting', ended_at = NULL WHERE id = (SELECT max(id) FROM attempts)""",
    "W42 nobody sits an exam more often than it allows, or again before it does, or when they have passed it": """
        UPDATE exams SET attempts_max = 1""",
    "W43 a task is kept from everybody just as long as somebody's report of it waits": """
        UPDATE tasks SET parked_at = now() WHERE status = 'open'""",
    "W22 everybody stands where their last move has brought them": """
        UPDATE worker_tiers SET tier = 3""",
    "W23 whoever was moved by evidence was moved by what the bounds of it say": """
        ALTER TABLE ladder_steps DISABLE TRIGGER append_only;
        UPDATE ladder_steps SET keep = 0.1 WHERE tier > 0""",
    "W33 nobody was moved by a ladder that never held": """
        UPDATE ladder_rules SET confirmed_by = NULL, confirmed_at = NULL""",
    "W30 an applied correction has paid just what its lines say": """
        INSERT INTO corrections (id, kind, project_id, subject_id, label_from, reason, state, n_previews, n_lines,
                                 content_hash, proposed_by, decided_by, decided_at)
        SELECT 'cor_' || n, 'gold', 'prj', 'tsk', 1, '', 'applied', 1, 1, '', 'ada', 'bob', now()
          FROM generate_series(1, 2) n;
        INSERT INTO correction_lines (correction_id, preview, number, change, worker_id, answer_id, amount, currency,
                                      exponent, paid_by)
        SELECT c.id, 1, 1, 'pay', w.id, 'ans', 1, 'USD', 4, 'house'
          FROM corrections c, (SELECT * FROM workers LIMIT 1) w""",
    "W31 what an answer was paid too little is made up for once": """
        INSERT INTO corrections (id, kind, project_id, subject_id, label_from, reason, state, n_previews, n_lines,
                                 content_hash, proposed_by, decided_by, decided_at)
        SELECT 'cor_' || n, 'gold', 'prj', 'tsk', 1, '', 'applied', 1, 1, '', 'ada', 'bob', now()
          FROM generate_series(1, 2) n;
        INSERT INTO correction_lines (correction_id, preview, number, change, worker_id, answer_id, amount, currency,
                                      exponent, paid_by)
        SELECT c.id, 1, 1, 'pay', w.id, 'ans', 1, 'USD', 4, 'house'
          FROM corrections c, (SELECT * FROM workers LIMIT 1) w""",
    "W32 an appeal that a correction found right is upheld": """
        INSERT INTO corrections (id, kind, project_id, subject_id, reason, state, n_previews, n_lines, content_hash,
                                 proposed_by, decided_by, decided_at)
        SELECT 'cor_x', 'appeal', project_id, id, '', 'applied', 1, 0, '', 'ada', 'bob', now() FROM appeals""",
    "W50 a corrected label is what its last correction says, until its requester fixes it": """
        UPDATE tasks SET settled_by = 'correction' WHERE status = 'settled'""",
    "W51 a rejected answer that was right is made up for just as it was priced": """
        INSERT INTO corrections (id, kind, project_id, subject_id, label_from, reason, state, n_previews, n_lines,
                                 content_hash, proposed_by, decided_by, decided_at)
        SELECT 'cor_x', 'gold', 'prj', 'tsk', 1, '', 'applied', 1, 1, '', 'ada', 'bob', now();
        UPDATE answers SET status = 'rejected';
        INSERT INTO correction_lines (correction_id, preview, number, change, worker_id, answer_id, amount, currency,
                                      exponent, paid_by)
        SELECT 'cor_x', 1, 1, 'pay', worker_id, id, 1, 'USD', 4, 'house' FROM answers LIMIT 1""",
    "W24 a worker is kept on a step just as long as an override of two people holds": """
        UPDATE worker_tiers SET pinned_until = now()""",
}

MORE = {
    "moved by what was refused": ("W35", "UPDATE bulk_moves SET state = 'refused' WHERE state = 'applied'"),
    "moved twice by one line": (
        "W35",
        """INSERT INTO tier_moves (id, worker_id, skill, tier_from, tier_to, reason, moved_by, cause)
           SELECT 'mov_again', worker_id, skill, tier_from, tier_to, reason, moved_by, cause FROM tier_moves
            WHERE moved_by IN (SELECT override_id FROM bulk_lines WHERE fate = 'moved')""",
    ),
    "moved by what says another step": ("W35", "UPDATE tier_overrides SET tier = 0"),
    "returned by somebody else": ("W36", "UPDATE tier_overrides SET ended_by = 'cid' WHERE state = 'ended'"),
    "returned and not undone": (
        "W36",
        """UPDATE bulk_moves SET state = 'applied', undone_by = NULL, undone_at = NULL, undo_reason = NULL
            WHERE state = 'undone'""",
    ),
    "a lease too many": ("W1", "UPDATE tasks SET overlap = 1, free_slots = 0 WHERE status = 'open'"),
    "a slot too few": ("W1", "UPDATE tasks SET free_slots = 0 WHERE status = 'open'"),
    "two rulings": ("W1", "UPDATE assignments SET kind = 'adjudication'"),
    "a second ruling": (
        "W1",
        """INSERT INTO assignments (id, project_id, task_id, worker_id, kind, status, fence, lease_expires_at, currency,
                                    amount, exponent)
           SELECT 'asg_' || w.id, a.project_id, a.task_id, w.id, 'adjudication', 'answered', a.fence,
                  a.lease_expires_at, a.currency, a.amount, a.exponent
             FROM assignments a JOIN tasks t ON t.id = a.task_id AND t.status = 'settled', workers w LIMIT 2""",
    ),
    "nobody asked": ("W1", "UPDATE tasks SET status = 'escalated', free_slots = 0 WHERE status = 'open'"),
    "a vote from nowhere": ("W3", "INSERT INTO votes SELECT project_id, task_id, 'wrk_x', label FROM votes LIMIT 1"),
    "a parked event": (
        "W5",
        """INSERT INTO outbox_events (topic, stream, payload, parked_at)
        SELECT 'AnswerSubmitted', project_id, jsonb_build_object('answer_id', id), now() FROM answers;
        DELETE FROM earnings""",
    ),
    "an expert not counted": ("W8", "UPDATE projects SET n_escalated = 1"),
    "another label": ("W3", "UPDATE votes SET label = 0"),
    "no earning": ("W5", "DELETE FROM earnings"),
    "not yet due": ("W5", "UPDATE earnings SET status = 'pending'"),
    "accepted, and not yet due": ("W5", "UPDATE answers SET status = 'accepted' WHERE status = 'rejected'"),
    "given back, and may be appealed": ("W5", "UPDATE reviews SET state = 'final' WHERE state = 'rejected'"),
    "rejected without a word": ("W17", "UPDATE answers SET status = 'rejected' WHERE status = 'accepted'"),
    "settled and forgotten": ("W4", "DELETE FROM appeals; DELETE FROM reviews"),
    "somebody else's appeal": ("W19", "UPDATE appeals SET worker_id = (SELECT min(id) FROM workers)"),
    "a gold without its label": ("W9", "DELETE FROM golds"),
    "a gold that is nobody's task": (
        "W9",
        """INSERT INTO golds SELECT project_id, 'tsk_x', label, source, NULL, '', 'active', NULL, '', 9, 0, 0, NULL,
                                    NULL, '', now() FROM golds LIMIT 1""",
    ),
    "a gold that cannot be paid": ("W9", "UPDATE tasks SET reserved = 1 WHERE status = 'gold'"),
    "an ordinary task under another name": ("W10", "UPDATE assignments SET shown_as = task_id"),
    "gold that nobody met": (
        "W10",
        "ALTER TABLE exposures DISABLE TRIGGER USER; DELETE FROM exposures; ALTER TABLE exposures ENABLE TRIGGER USER",
    ),
    "a task that set too little aside": ("W12", "UPDATE tasks SET reserved = 1 WHERE status = 'open'"),
    "a gold that cannot be paid by a later card": (
        "W12",
        """INSERT INTO rates (id, owner_ref, tier, region, currency, amount, valid_from)
           SELECT 'rat_x', project_id, 3, '', 'USD', 300, now() + interval '1 day' FROM tasks WHERE status = 'gold'""",
    ),
    "an answer that is forgotten": ("W11", "UPDATE tasks SET status = 'cancelled' WHERE status = 'open'"),
    "an answer that outlives its gold": ("W11", "UPDATE tasks SET status = 'retired' WHERE status = 'gold'"),
    "a gold that is short of a slot": ("W1", "UPDATE tasks SET free_slots = 0 WHERE status = 'gold'"),
    "a retired gold with a slot": ("W6", "UPDATE tasks SET status = 'retired' WHERE status = 'gold'"),
    "passed with less than was asked for": ("W40", "UPDATE attempts SET n_needed = 4, state = 'passed'"),
    "passed and sat again": ("W42", "UPDATE attempts SET state = 'passed', n_needed = 1"),
    "too soon": ("W42", "UPDATE exams SET cool_down_days = 7"),
    "a corrected label that nobody shows": (
        "W50",
        """INSERT INTO corrections (id, kind, project_id, subject_id, label_from, label_to, reason, state, n_previews,
                                    n_lines, content_hash, proposed_by, decided_by, decided_at)
           SELECT 'cor_x', 'label', project_id, id, 1, 0, '', 'applied', 1, 0, '', 'ada', 'bob', now()
             FROM tasks WHERE status = 'settled' LIMIT 1""",
    ),
    "another label than was corrected": (
        "W50",
        """INSERT INTO corrections (id, kind, project_id, subject_id, label_from, label_to, reason, state, n_previews,
                                    n_lines, content_hash, proposed_by, decided_by, decided_at)
           SELECT 'cor_x', 'label', project_id, id, label, 1 - label, '', 'applied', 1, 0, '', 'ada', 'bob', now()
             FROM tasks WHERE status = 'settled' LIMIT 1;
           UPDATE tasks SET settled_by = 'correction'
            WHERE id IN (SELECT subject_id FROM corrections WHERE id = 'cor_x')""",
    ),
    "a free slot": ("W6", "UPDATE tasks SET free_slots = 1"),
}


def test_every_check_has_a_way_to_break_it() -> None:
    assert BREAKS.keys() == checks.CHECKS.keys()


def test_honest_work_breaks_nothing(owner: Session) -> None:
    assert not any(checks.check(owner).values())


@pytest.mark.parametrize("name", BREAKS)
def test_a_check_turns_red_when_its_rule_is_broken(owner: Session, name: str) -> None:
    for statement in BREAKS[name].split(";"):
        owner.execute(text(statement))

    assert checks.check(owner)[name]


@pytest.mark.parametrize(("number", "statement"), MORE.values(), ids=MORE.keys())
def test_a_check_sees_every_way_to_break_its_rule(owner: Session, number: str, statement: str) -> None:
    for one in statement.split(";"):
        owner.execute(text(one))

    (found,) = [rows for name, rows in checks.check(owner).items() if name.startswith(f"{number} ")]
    assert found
