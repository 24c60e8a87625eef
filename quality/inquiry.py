"""Inquiries: what speaks against a project's voters is looked for as votes come in. What is found is for ops to decide.

A vote is tested once, as soon as its task has its answers; the test of a voter goes on where it stood. For groups,
patterns and accounts in step all votes are searched again at each look. Looks become rarer as votes become more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from foundation import clock, outbox
from quality import quarantine, votes
from quality.events import WeightsChanged
from quality.methods import collusion, em, habits, hierarchical, sequential
from quality.methods.collusion import Groups, Hearing
from quality.methods.evidence import Evidence, Kind
from quality.methods.fit import Fit
from quality.methods.sequential import State
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes
from quality.models import ContestedVoter, Inquiry, VoterTest
from quality.votes import Coded

# Look when so many votes have been weighed, and again when a quarter more have, or 5,000; and each day if any has.
LEAST = 100
GROWTH = 0.25
MOST = 5_000
DAY = timedelta(days=1)
# So many votes are looked at, those on the newest tasks: what a sweep has time for.
VOTES_MAX = 50_000
# A transaction may end so much later than it began, and its votes be seen only then.
UNSEEN = timedelta(minutes=1)
# A vote waits for the others of its task before it is tested, but not longer.
PATIENCE = timedelta(hours=1)
# Whether accounts keep in step can be told when work has gone on for so long.
_SPAN_SECONDS = 3600.0
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_TOL = 1e-5
_ITER_MAX = 100

_DUE = text("""
    SELECT f.project_id, f.n_classes, f.n_votes + f.n_since AS n_votes
      FROM project_fits f LEFT JOIN inquiries i ON i.project_id = f.project_id
     WHERE f.project_id = coalesce(CAST(:project_id AS text), f.project_id)
       AND (f.n_votes + f.n_since >= coalesce(i.n_votes + least(ceil(i.n_votes * :growth), :most), :least)
            OR (f.n_votes + f.n_since > i.n_votes AND i.looked_at < now() - CAST(:day AS interval)))
     ORDER BY random() LIMIT 20
""")
_NEWEST = text("""
    SELECT DISTINCT task_id FROM votes
     WHERE project_id = :project_id
       AND task_id > (SELECT task_id FROM votes WHERE project_id = :project_id ORDER BY task_id DESC
                       OFFSET :most LIMIT 1)
""")
# A task has its answers if something was decided about it; to widen is to want one more. Gold waits for nobody's.
_CAST = text("""
    SELECT v.task_id, v.voter_id, v.created_at, v.too_fast,
           coalesce(c.decision NOT IN ('open', 'widen'), g.task_id IS NOT NULL) AS complete
      FROM votes v LEFT JOIN consensus c ON c.project_id = v.project_id AND c.task_id = v.task_id
      LEFT JOIN golds g ON g.project_id = v.project_id AND g.task_id = v.task_id
     WHERE v.project_id = :project_id AND v.task_id >= :first
""")
_SAVE_TESTS = text("""
    INSERT INTO voter_tests (project_id, voter_id, score, n_tested, cleared)
    SELECT CAST(:project_id AS text), * FROM unnest(CAST(:voters AS text[]), CAST(:scores AS float8[]),
        CAST(:counts AS int[]), CAST(:cleared AS bool[]))
    ON CONFLICT (project_id, voter_id) DO UPDATE SET score = excluded.score, n_tested = excluded.n_tested,
        cleared = excluded.cleared, updated_at = now()
""")
_SAVE_INQUIRY = text("""
    INSERT INTO inquiries (project_id, n_votes, tested_through) VALUES (:project_id, :n_votes, :through)
    ON CONFLICT (project_id) DO UPDATE SET n_votes = excluded.n_votes, tested_through = excluded.tested_through,
        looked_at = now()
""")


@dataclass(frozen=True, slots=True)
class _Material:
    """What is looked at. Of each vote, (n_votes,): cast_at, seconds; fresh, whether it still counts as evidence, which
    it does not once ops have judged its voter; untested, whether its turn to be tested is now; too_fast, whether it
    came faster than its task can be read.

    tied : voters that earlier evidence ties together. through : up to when votes are tested after this look.
    """

    coded: Coded
    cast_at: FloatArray
    fresh: BoolArray
    untested: BoolArray
    too_fast: BoolArray
    tied: list[Evidence]
    through: datetime

    @property
    def drawn(self) -> IntArray:
        """Labels, (n_tasks,), that are known whatever the crowd said; hard tasks alone would speak against anybody."""
        return np.where(self.coded.gold != UNKNOWN, self.coded.gold, self.coded.sampled)


@dataclass(frozen=True, slots=True)
class _Heard:
    """Some of the votes and how they are judged. kept : their numbers, (n,)."""

    kept: IntArray
    votes: Votes
    fit: Fit
    hearings: list[Hearing]


def look(db: Session) -> int:
    """Look at one project in which enough is new, and propose whom it speaks against. A sweep."""
    for project_id in [row.project_id for row in _due(db)]:
        # Of two at once the second comes too late, or finds nothing that is due any more.
        if outbox.try_stream(db, f"{project_id} inquiry") and (due := _due(db, project_id)):
            inquire(db, project_id, n_classes=due[0].n_classes, n_votes=due[0].n_votes)
            return 1
    return 0


def _due(db: Session, project_id: str | None = None) -> Sequence[Any]:
    limits = {"least": LEAST, "growth": GROWTH, "most": MOST, "day": DAY}
    return db.execute(_DUE, {"project_id": project_id, **limits}).all()


def inquire(db: Session, project_id: str, *, n_classes: int, n_votes: int) -> int:
    """Look at a project; returns how many quarantines are proposed. Call this while holding the inquiry."""
    material = _gather(db, project_id, n_classes=n_classes)
    before = _hear(material, material.tied)
    groups = _groups(material, before)
    heard = _hear(material, [*material.tied, *groups.found]) if groups.found else before
    states = _states(db, project_id, material.coded.voter_ids)
    clickers = _test(material, heard, states, is_witness=not groups.contested)
    _save(db, project_id, states, material, n_votes)
    _contest(db, project_id, [material.coded.voter_ids[voter] for voter in groups.contested])
    found = [*groups.found, *clickers, *_habits(material, heard)]
    if not groups.contested:
        found += _copiers(material, heard)
    return quarantine.propose(db, project_id, found, material.coded.voter_ids)


_BY_CLICKING = text("""
    SELECT q.id, q.voter_id FROM quarantines q
     WHERE q.project_id = :project_id AND q.voter_id = ANY(:voter_ids) AND q.status IN ('proposed', 'active')
       AND NOT EXISTS (SELECT FROM accusations a JOIN evidence e ON e.id = a.evidence_id
                        WHERE a.quarantine_id = q.id AND e.kind <> 'clicking')
     ORDER BY q.id
""")


def acquitted(db: Session, project_id: str, voter_ids: Sequence[str], *, n_classes: int) -> dict[str, str]:
    """Of these voters those in a quarantine for clicking alone that their votes, all tested anew, do not bear out.

    By the quarantine's id. For whoever has put right what is known of a project; where not all votes can be looked at,
    nobody is acquitted.
    """
    accused = db.execute(_BY_CLICKING, {"project_id": project_id, "voter_ids": list(voter_ids)}).all()
    if not accused or db.execute(_NEWEST, {"project_id": project_id, "most": VOTES_MAX}).first() is not None:
        return {}
    material = _gather(db, project_id, n_classes=n_classes)
    whose = {row.voter_id for row in accused}
    theirs = np.array([one in whose for one in material.coded.voter_ids], dtype=np.bool_)
    anew = replace(material, untested=theirs[material.coded.votes.voters])
    found = _test(anew, _hear(anew, anew.tied), {}, is_witness=not contested(db, project_id))
    still = {material.coded.voter_ids[voter] for one in found for voter in one.voters}
    return {row.id: row.voter_id for row in accused if row.voter_id not in still}


def contested(db: Session, project_id: str) -> set[str]:
    """Voters of whom the last look could not say whether they err as one, or most others do."""
    return set(db.scalars(select(ContestedVoter.voter_id).where(ContestedVoter.project_id == project_id)))


def _contest(db: Session, project_id: str, voter_ids: Sequence[str]) -> None:
    before = contested(db, project_id)
    if before == set(voter_ids):
        return
    db.execute(delete(ContestedVoter).where(ContestedVoter.project_id == project_id))
    if voter_ids:
        db.execute(insert(ContestedVoter), [{"project_id": project_id, "voter_id": one} for one in voter_ids])
    outbox.publish(db, WeightsChanged(project_id))


def _gather(db: Session, project_id: str, *, n_classes: int) -> _Material:
    newest = list(db.scalars(_NEWEST, {"project_id": project_id, "most": VOTES_MAX})) or None
    coded = _coded(db, project_id, newest, n_classes=n_classes)
    rows = db.execute(_CAST, {"project_id": project_id, "first": min(newest or [""])})
    cast = {(row.task_id, row.voter_id): row for row in rows}
    of = [
        cast[coded.task_ids[task], coded.voter_ids[voter]]
        for task, voter in zip(coded.votes.tasks, coded.votes.voters, strict=True)
    ]
    judged = quarantine.judged_at(db, project_id)
    last = db.get(Inquiry, project_id, populate_existing=True)
    begin = _EVER if last is None else last.tested_through
    end = _testable(of, clock.now(db))
    through = max((row.created_at for row in of if begin < row.created_at <= end), default=begin)
    return _Material(
        coded=coded,
        cast_at=np.array([row.created_at.timestamp() for row in of], dtype=np.float64),
        fresh=np.array([row.created_at > judged.get(row.voter_id, row.created_at - DAY) for row in of], dtype=np.bool_),
        untested=np.array([begin < row.created_at <= through for row in of], dtype=np.bool_),
        too_fast=np.array([row.too_fast for row in of], dtype=np.bool_),
        tied=_tied(db, project_id, coded.voter_ids),
        through=through,
    )


def _coded(db: Session, project_id: str, newest: list[str] | None, *, n_classes: int) -> Coded:
    if newest is None:
        return votes.read_all(db, project_id, n_classes=n_classes)
    return votes.read(db, project_id, n_classes=n_classes, task_ids=newest)


def _testable(cast: Sequence[Any], now: datetime) -> datetime:
    """Up to when votes can be tested: before the first that still waits for the others of its task, as it may."""
    waiting = (row.created_at for row in cast if not row.complete and row.created_at > now - PATIENCE)
    first = min(waiting, default=now)
    return min(first - timedelta(microseconds=1), now - UNSEEN)


def _tied(db: Session, project_id: str, voter_ids: Sequence[str]) -> list[Evidence]:
    """Earlier evidence, as far as it matters to a search: whom it ties together."""
    code_of = {voter_id: code for code, voter_id in enumerate(voter_ids)}
    groups = [sorted(code_of[one] for one in group if one in code_of) for group in quarantine.ties(db, project_id)]
    return [Evidence(Kind.CLUSTER, tuple(group), 0.0, 0.0, 0, "") for group in groups if len(group) > 1]


def _hear(material: _Material, groups: Sequence[Evidence]) -> _Heard:
    """Fit the votes, of which each group has one on a task."""
    coded = material.coded
    kept = collusion.speaking(coded.votes, collusion.linked(groups, coded.votes.n_voters))
    heard = coded.votes.only(kept)
    fit = hierarchical.fit(
        heard,
        known=coded.known,
        experts=coded.experts,
        tol=_TOL,
        objective_tol=em.OBJECTIVE_TOL,
        max_iter=_ITER_MAX,
    )
    return _Heard(kept, heard, fit, collusion.hearings(heard, fit, known=coded.known))


def _groups(material: _Material, heard: _Heard) -> Groups:
    fresh = material.fresh[heard.kept]
    hearings = [Hearing(hearing.believed[fresh], hearing.confusion) for hearing in heard.hearings]
    return collusion.clusters(heard.votes.only(fresh), hearings, known=material.drawn)


def _copiers(material: _Material, heard: _Heard) -> list[Evidence]:
    """Pairs who share so many tasks that the two alone say enough, beside the groups that have one vote by now."""
    fresh = material.fresh[heard.kept]
    hearings = [Hearing(hearing.believed[fresh], hearing.confusion) for hearing in heard.hearings]
    return collusion.pairs(heard.votes.only(fresh), hearings)


def _habits(material: _Material, heard: _Heard) -> list[Evidence]:
    fresh = material.fresh[heard.kept]
    _, last = heard.hearings
    hearing = Hearing(last.believed[fresh], last.confusion)
    found = habits.patterns(heard.votes.only(fresh), material.cast_at[heard.kept][fresh], hearing)
    found += habits.too_fast(material.coded.votes.only(material.fresh), material.too_fast[material.fresh])
    cast_at = material.cast_at[material.fresh]
    if cast_at.size and np.ptp(cast_at) >= _SPAN_SECONDS:
        found += habits.lockstep(material.coded.votes.only(material.fresh), cast_at)
    return found


def _test(material: _Material, heard: _Heard, states: dict[int, State], *, is_witness: bool) -> list[Evidence]:
    """Bring the test of each voter on by their untested votes, in the order they were cast; states are changed.

    is_witness : whether the consensus tells anything. If not, votes are passed over but on tasks that are known
    whatever the crowd said. Whoever is accused starts anew: what has been told is not told again.
    """
    drawn = material.drawn[heard.votes.tasks] != UNKNOWN
    now = (material.untested & material.fresh)[heard.kept] & (is_witness | drawn)
    voters = heard.votes.voters[now]
    honest = sequential.least_honest(sequential.usual(heard.fit))
    ratios = sequential.ratios(heard.hearings[-1].believed[now], heard.votes.labels[now], honest)
    accused: dict[int, Evidence] = {}
    for nth in np.lexsort((heard.votes.tasks[now], material.cast_at[heard.kept][now])):
        voter = int(voters[nth])
        states[voter] = sequential.after(states.get(voter, sequential.START), float(ratios[nth]))
        if (accusation := sequential.accusation(voter, states[voter])) is not None:
            accused.setdefault(voter, accusation)
            states[voter] = sequential.START
    return list(accused.values())


def _states(db: Session, project_id: str, voter_ids: Sequence[str]) -> dict[int, State]:
    """Where the tests stand, by voters' codes; of whom ops have judged since, at the start."""
    judged = quarantine.judged_at(db, project_id)
    code_of = {voter_id: code for code, voter_id in enumerate(voter_ids)}
    rows = db.scalars(
        select(VoterTest).where(VoterTest.project_id == project_id).execution_options(populate_existing=True)
    )
    return {
        code_of[row.voter_id]: State(row.score, row.n_tested, row.cleared)
        for row in rows
        if row.voter_id in code_of and row.updated_at > judged.get(row.voter_id, row.updated_at - DAY)
    }


def _save(db: Session, project_id: str, states: Mapping[int, State], material: _Material, n_votes: int) -> None:
    db.execute(
        _SAVE_TESTS,
        {
            "project_id": project_id,
            "voters": [material.coded.voter_ids[voter] for voter in states],
            "scores": [state.score for state in states.values()],
            "counts": [state.answers for state in states.values()],
            "cleared": [state.cleared for state in states.values()],
        },
    )
    db.execute(_SAVE_INQUIRY, {"project_id": project_id, "n_votes": n_votes, "through": material.through})
