"""Screening: payees held against lists, before each run and whenever a list changes; what matches waits for a person.

A screening is of a payee as they were: it is stale when their name, country or account is another, when the lists are,
or when it is old. No match blocks anybody by itself: an approver decides it (`reviews.py`). Which lists there are is
`watch_list.py` and `matcher.py`; an account that many payees share is found here, with or without any list.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, TextClause, select, text
from sqlalchemy.orm import Session, aliased

from foundation import clock, ids
from foundation.errors import Conflict
from payments import watch_list
from payments.models import Outcome, RoundState, Screening, ScreeningRound
from payments.screeners import UNASKED, Screener, Snapshot, Verdict

# Payees of one step where the lists are here, and where somebody else is asked, who has to answer in seconds.
_AT_ONCE, _AT_ONCE_REMOTE = 1000, 50
# What the operator may set otherwise: for how long a screening is good, and how many payees may share an account.
DAYS_GOOD, SHARED_MOST = 30, 5


class NoListToScreenAgainst(Conflict):
    """There is neither a list nor a matcher."""


def screeners(db: Session) -> list[Screener]:
    """The lists that this house has: its own, and a matcher's if the operator has set one."""
    url = str(db.info.get("screening_url", ""))
    if not url:
        return [watch_list.OwnList()]
    from payments.matcher import Matcher  # noqa: PLC0415 - a client for HTTP is large, and few houses ask anybody

    return [watch_list.OwnList(), Matcher(url)]


# Where somebody stands


@dataclass(frozen=True, slots=True)
class Standing:
    """A payee beside their last screening. waits : for a person; is_fresh : of them as they are, by today's lists."""

    snapshot: Snapshot
    waits: bool
    is_fresh: bool
    is_blocked: bool
    match_hash: bytes | None


_STANDINGS = """
    SELECT p.id, p.name, p.country, m.account_fingerprint AS account, s.match_hash,
           coalesce(s.outcome <> 'clear' AND s.decision IS NULL, false) AS waits,
           coalesce(s.list_version = :version AND s.created_at > now() - make_interval(days => :days)
                    AND s.name = p.name AND s.country = p.country
                    AND s.account_fingerprint IS NOT DISTINCT FROM m.account_fingerprint
                    AND (s.decision IS NOT NULL OR NOT s.findings @> CAST(:failed AS jsonb)), false) AS is_fresh,
           EXISTS (SELECT FROM blocks b WHERE b.payee_id = p.id AND b.state IN ('proposed', 'active')) AS is_blocked
      FROM payees p
      LEFT JOIN payout_methods m ON m.payee_id = p.id AND m.status = 'active'
      LEFT JOIN LATERAL (SELECT * FROM screenings WHERE payee_id = p.id ORDER BY id DESC LIMIT 1) s ON true
     WHERE p.id = ANY(:payees) ORDER BY p.id
"""
_ALL = text(_STANDINGS)
_UNSETTLED = text(f"""
    SELECT * FROM ({_STANDINGS}) AS s WHERE waits OR is_blocked OR (:version <> '' AND NOT is_fresh) ORDER BY id
""")


def version_in_force(db: Session) -> str | None:
    """The version of the lists that the last round was about; None before there was any."""
    return db.scalar(select(ScreeningRound.list_version).order_by(ScreeningRound.id.desc()).limit(1))


def standings(db: Session, payee_ids: Collection[str], version: str | None) -> list[Standing]:
    """These payees beside their last screenings, by their ids."""
    return _read(db, _ALL, payee_ids, version)


def unsettled(db: Session, payee_ids: Collection[str], version: str | None) -> list[Standing]:
    """Those of them alone who are blocked, wait for a person or, where there are lists, are not fresh."""
    return _read(db, _UNSETTLED, payee_ids, version)


def _read(db: Session, statement: TextClause, payee_ids: Collection[str], version: str | None) -> list[Standing]:
    given = {
        "payees": list(payee_ids),
        "version": version or "",
        "days": db.info.get("screening_days", DAYS_GOOD),
        # Whoever could not be asked about is asked about again.
        "failed": json.dumps({"items": [{"kind": UNASKED}]}),
    }
    return [
        Standing(
            Snapshot(row.id, row.name, row.country, None if row.account is None else bytes(row.account)),
            row.waits, row.is_fresh, row.is_blocked, None if row.match_hash is None else bytes(row.match_hash),
        )
        for row in db.execute(statement, given)
    ]  # fmt: skip


# Holding against lists


def refresh(db: Session, payee_ids: Collection[str], *, asked_by: str) -> None:
    """Screen those of these who are not freshly screened, if nobody has to be asked over a network for it."""
    version = version_in_force(db)
    lists = screeners(db) if version is not None else []
    if not any(one.is_remote for one in lists):
        _screen(db, payee_ids, lists, version, asked_by=asked_by)


def _screen(
    db: Session, payee_ids: Collection[str], lists: Sequence[Screener], version: str | None, *, asked_by: str
) -> tuple[int, int]:
    """Screen those of these who need it; returns how many there were, and how many of them wait for a person now."""
    now = [one for one in standings(db, payee_ids, version) if not one.is_fresh and not one.is_blocked]
    people = [one.snapshot for one in now]
    verdicts = [_shared(db, people), *(one.screen(db, people) for one in lists)] if people else []
    found = [_together(every) for every in zip(*verdicts, strict=True)]
    decided = _decided(db, [one.payee_id for one in people], [_hash(verdict) for verdict in found])
    rows = []
    for one, verdict in zip(now, found, strict=True):
        match_hash = _hash(verdict)
        before = decided.get((one.snapshot.payee_id, match_hash)) if match_hash else None
        is_news = match_hash is not None and before is None and not (one.waits and one.match_hash == match_hash)
        # Without a list nothing gets stale, and only news are kept.
        if version is not None or is_news:
            told = Verdict(findings=[{"kind": "decided", "screening": before}]) if before else verdict
            rows.append(_row(one.snapshot, told, version, asked_by))
    db.add_all(rows)
    db.flush()
    return len(now), sum(row.outcome != Outcome.CLEAR for row in rows)


def _row(one: Snapshot, verdict: Verdict, version: str | None, asked_by: str) -> Screening:
    return Screening(
        id=ids.new("scr"), payee_id=one.payee_id, list_version=version or "", outcome=verdict.outcome,
        score=verdict.score, findings={"items": verdict.findings}, match_hash=_hash(verdict), name=one.name,
        country=one.country, account_fingerprint=one.account, asked_by=asked_by,
    )  # fmt: skip


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst that any list says, with all that they found."""
    order = list(Outcome)
    return Verdict(
        max((one.outcome for one in verdicts), key=order.index),
        max(one.score for one in verdicts),
        [finding for one in verdicts for finding in one.findings],
    )


def _hash(verdict: Verdict) -> bytes | None:
    """Of what was found: the same again is the same case. A number is in it as how often it has doubled."""
    if verdict.outcome == Outcome.CLEAR:
        return None
    items = [
        {key: value.bit_length() if isinstance(value, int) else value for key, value in finding.items()}
        for finding in verdict.findings
    ]
    told = sorted(json.dumps(item, sort_keys=True) for item in items)
    return hashlib.sha256("\n".join(told).encode()).digest()


_DECIDED = text("""
    SELECT DISTINCT ON (s.payee_id, s.match_hash) s.payee_id, s.match_hash, s.id
      FROM unnest(CAST(:payees AS text[]), CAST(:hashes AS bytea[])) AS g(payee_id, match_hash)
      JOIN screenings s ON s.payee_id = g.payee_id AND s.match_hash = g.match_hash
     WHERE s.decision IS NOT NULL ORDER BY s.payee_id, s.match_hash, s.id DESC
""")


def _decided(db: Session, payee_ids: Sequence[str], hashes: Sequence[bytes | None]) -> dict[tuple[str, bytes], str]:
    """Which of these matches somebody has decided already. One that was to be blocked was, or two people let it be."""
    pairs = [(one, match) for one, match in zip(payee_ids, hashes, strict=True) if match is not None]
    if not pairs:
        return {}
    given = {"payees": [one for one, _ in pairs], "hashes": [match for _, match in pairs]}
    return {(row.payee_id, bytes(row.match_hash)): row.id for row in db.execute(_DECIDED, given)}


_SHARED = text("""
    SELECT m.payee_id, n.payees
      FROM payout_methods m
      JOIN (SELECT account_fingerprint, count(*) AS payees FROM payout_methods
             WHERE status = 'active'
               AND account_fingerprint IN (SELECT account_fingerprint FROM payout_methods
                                            WHERE payee_id = ANY(:payees) AND status = 'active')
             GROUP BY 1 HAVING count(*) > :most) n USING (account_fingerprint)
     WHERE m.payee_id = ANY(:payees) AND m.status = 'active'
""")


def _shared(db: Session, people: Sequence[Snapshot]) -> list[Verdict]:
    """Whose account is that of more payees than a family has: perhaps one person with several names."""
    most = db.info.get("shared_destination_max", SHARED_MOST)
    rows = db.execute(_SHARED, {"payees": [one.payee_id for one in people], "most": most})
    shared = {row.payee_id: int(row.payees) for row in rows}
    return [
        Verdict(Outcome.REVIEW, 0, [{"kind": "shared_destination", "payees": shared[one.payee_id]}])
        if one.payee_id in shared
        else Verdict()
        for one in people
    ]


# Rounds


def begin_round(db: Session, *, begun_by: str) -> ScreeningRound:
    """Hold everybody against the lists as they are now, step by step; who is freshly screened stays as they are."""
    versions = [version for one in screeners(db) if (version := one.version(db)) is not None]
    if not versions:
        raise NoListToScreenAgainst("Import a list first, or set ROOKERY_SCREENING_URL.")
    made = ScreeningRound(id=ids.new("srd"), list_version="+".join(versions), begun_by=begun_by)
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def go_on(db: Session) -> Iterator[None]:
    """Every round that is under way, step by step. A work."""
    running = select(ScreeningRound.id).where(ScreeningRound.state == RoundState.RUNNING)
    for round_id in db.scalars(running.order_by(ScreeningRound.id)).all():
        yield from steps(db, round_id)


_NEXT = text("SELECT id FROM payees WHERE id > :after ORDER BY id LIMIT :most")


def steps(db: Session, round_id: str) -> Iterator[None]:
    """Bring one round to its end; what has been done may be committed at each step. One that is overtaken ends."""
    while True:
        one = db.get_one(ScreeningRound, round_id, with_for_update=True, populate_existing=True)
        if one.state != RoundState.RUNNING:
            return
        lists = screeners(db)
        most = _AT_ONCE_REMOTE if any(each.is_remote for each in lists) else _AT_ONCE
        is_last = version_in_force(db) == one.list_version
        payee_ids = db.scalars(_NEXT, {"after": one.screened_through, "most": most}).all() if is_last else []
        if payee_ids:
            n_screened, n_reviews = _screen(db, payee_ids, lists, one.list_version, asked_by=one.begun_by)
            one.n_payees, one.n_reviews = one.n_payees + n_screened, one.n_reviews + n_reviews
            one.screened_through = payee_ids[-1]
        else:
            one.state, one.ended_at = RoundState.DONE, clock.now(db)
        db.flush()
        yield


# Lists


def rounds() -> Select[ScreeningRound]:
    """All rounds."""
    return select(ScreeningRound)


def listed(*, payee_id: str | None = None, waiting: bool | None = None) -> Select[Screening]:
    """All screenings, or a payee's; those that wait for a person, or those that do not."""
    rows = select(Screening)
    if payee_id is not None:
        rows = rows.where(Screening.payee_id == payee_id)
    return rows if waiting is None else rows.where(_waits() if waiting else ~_waits())


def _waits() -> Any:
    later = aliased(Screening)
    is_last = ~select(later.id).where(later.payee_id == Screening.payee_id, later.id > Screening.id).exists()
    return (Screening.outcome != Outcome.CLEAR) & Screening.decision.is_(None) & is_last
