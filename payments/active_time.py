"""How long answers took: measured once by the database's clock, capped where it is read. What it pays is elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

HOUR_MS = 3_600_000
# SQL: what an hour of a capped answer pays, in whole ledger units, rounded down; what took no time took a millisecond.
# What no bigint holds is the most that one does, so that wages are sorted as numbers of the machine.
WAGE = f"least(div(CAST(amount AS numeric) * {HOUR_MS}, greatest(counted_ms, 1)), {2**63 - 1})::bigint"


@dataclass(frozen=True, slots=True)
class Piece:
    """The work on one answer: whose, for which batch, at what and where; from when to when, by the database's clock.

    begun_at : the claim, or the same person's answer before this one if that came later, so that nobody's hour counts
    twice who holds several tasks at once.
    """

    answer_ref: str
    payee_id: str
    cause_ref: str
    skill: str
    tier: int
    region: str
    begun_at: datetime
    submitted_at: datetime


# Part of a millisecond counts as one.
_RECORD = text("""
    INSERT INTO active_time (answer_ref, payee_id, cause_ref, skill, tier, region, milliseconds, worked_on)
    SELECT answer_ref, payee_id, cause_ref, skill, tier, region,
           greatest(ceil(extract(epoch FROM submitted_at - begun_at) * 1000), 0), submitted_at
      FROM unnest(CAST(:answers AS text[]), CAST(:payees AS text[]), CAST(:causes AS text[]), CAST(:skills AS text[]),
                  CAST(:tiers AS smallint[]), CAST(:regions AS text[]), CAST(:begun AS timestamptz[]),
                  CAST(:submitted AS timestamptz[]))
           AS g(answer_ref, payee_id, cause_ref, skill, tier, region, begun_at, submitted_at)
    ON CONFLICT (answer_ref) DO NOTHING RETURNING answer_ref, milliseconds
""")


def record(db: Session, pieces: Sequence[Piece]) -> dict[str, int]:
    """Keep how long new answers took. What was said first of an answer stands, however often it is told.

    Returns the milliseconds of those that are new, by answer.
    """
    if not pieces:
        return {}
    rows = db.execute(
        _RECORD,
        {
            "answers": [piece.answer_ref for piece in pieces],
            "payees": [piece.payee_id for piece in pieces],
            "causes": [piece.cause_ref for piece in pieces],
            "skills": [piece.skill for piece in pieces],
            "tiers": [piece.tier for piece in pieces],
            "regions": [piece.region for piece in pieces],
            "begun": [piece.begun_at for piece in pieces],
            "submitted": [piece.submitted_at for piece in pieces],
        },
    )
    return {row.answer_ref: row.milliseconds for row in rows}


_MEDIAN = text("""
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY milliseconds) FROM active_time WHERE answer_ref = ANY(:answers)
""")


def median_seconds(db: Session, answer_refs: Sequence[str]) -> int | None:
    """How long half of these answers took at most, in whole seconds; None where nothing was measured of any."""
    median: int | None = db.scalar(_MEDIAN, {"answers": list(answer_refs)})
    return None if median is None else max(-(-median // 1000), 1)


def capped(answers: str, *, until: str = "'infinity'") -> str:
    """SQL: the rows of a relation that has `cause_ref` and `milliseconds`, with `counted_ms` beside them.

    An answer counts for no longer than the 90th percentile of its batch's answers that were worked before `until`, the
    shortest time that nine tenths of them kept to (PAYMENTS, section 4): waiting is no work, and whoever reads slowly
    is among the nine. The longest of less than ten answers is their 90th percentile: such a batch has no cap.
    """
    # Batch by batch, by their index, and each once (OFFSET): a sum that is joined is planned as one over all there is.
    return f"""
        SELECT a.*, least(a.milliseconds, c.most) AS counted_ms
          FROM {answers} a
          JOIN (SELECT b.cause_ref, m.most
                  FROM (SELECT DISTINCT cause_ref FROM {answers}) b
                  JOIN LATERAL (SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY t.milliseconds) AS most
                                  FROM active_time t WHERE t.cause_ref = b.cause_ref AND t.worked_on < {until}) m
                    ON m.most IS NOT NULL OFFSET 0) c ON c.cause_ref = a.cause_ref"""
