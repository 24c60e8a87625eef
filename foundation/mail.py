"""Mail: a queue beside what it tells of, sent at least once, never while anything is held. No Flask here.

`queue` writes a row in the transaction of its cause. `send_due` takes some that are due by moving their next try to
where a lease ends, commits, sends, and notes what came of each. Whoever dies in between is followed by somebody else
when the lease ends: a letter may come twice then, with the same `Message-ID`. How letters leave is in
`mail_transports.py`.
"""

import re
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import CheckConstraint, DateTime, Index, Select, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from foundation import addresses, clock, ids, mail_transports
from foundation.db import Base, Created, Id, Moment, Ref, one_of
from foundation.errors import Conflict, NotFound
from foundation.mail_transports import Letter, NotSent, Refused, Transport, Unreachable
from foundation.metrics import Gauge

_SUBJECT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}")
_BODY = re.compile(r"[^\x00-\x08\x0b-\x1f]{1,20000}")
# Taken at once by one sender. Near the end of its lease it begins no other.
BATCH = 20
LEASE = timedelta(minutes=5)
_BEGINS_WITHIN_SECONDS = 150.0
# The first pause after a failure; each is twice the one before, and up to half of it is left to chance.
_PAUSE = timedelta(seconds=30)
_PAUSE_LONGEST = timedelta(hours=2)
# A letter is given up after so many tries, or when it is this old: later it would tell of nothing that is still so.
ATTEMPTS_MAX = 60
DAYS_MAX = 3
# What was sent or given up is kept without its text and its address after this.
KEPT = timedelta(days=7)
_AT_ONCE = 500
_ERROR_LONGEST = 200

log = structlog.get_logger()


class MailState(StrEnum):
    """Where a letter stands. One that is being sent is still waiting."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


class MailNotGivenUp(Conflict):
    """Only a mail that was given up is tried again by hand."""


class MailErased(Conflict):
    """The text of this mail was deleted."""


class Mail(Base):
    """A letter that waits, or what became of it. Address and text go after a while; the rest stays."""

    __tablename__ = "mails"

    id: Mapped[Id]
    # What it tells of: an id, or something like it.
    about: Mapped[Ref]
    address: Mapped[str | None]
    masked: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=MailState.WAITING)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Created]
    # Its age counts from here: from the beginning, or from when somebody let it be tried again.
    waiting_since: Mapped[Moment] = mapped_column(server_default=func.now())
    # The next try; while somebody sends it, the end of their lease.
    due_at: Mapped[Moment] = mapped_column(server_default=func.now())
    last_error: Mapped[str | None]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_mails_due", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_mails_whole", "ended_at", postgresql_where=text("state <> 'waiting' AND body IS NOT NULL")),
        Index("ix_mails_given_up", "id", postgresql_where=text("state = 'given_up'")),
        one_of("state", MailState),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_when"),
        CheckConstraint("num_nulls(address, body) IN (0, 2)", name="erased_whole"),
        CheckConstraint("state <> 'waiting' OR body IS NOT NULL", name="waits_whole"),
        CheckConstraint("address ~ '^[!-~]{1,64}@[!-~]{1,253}$'", name="address_plain"),
        CheckConstraint(r"subject !~ '[[:cntrl:]]' AND length(subject) <= 200", name="subject_one_line"),
    )


def queue(db: Session, *, to: str, subject: str, body: str, about: str) -> Mail:
    """Send this to one address if, and only if, the transaction commits.

    to : as `addresses.parse` gives it. subject : one line of ours; body : plain text of ours. Who lets people choose
    words that go to others answers for that.
    """
    assert to == addresses.parse(to), "an address that was read"
    assert _SUBJECT.fullmatch(subject), "a subject of one line"
    assert _BODY.fullmatch(body), "a body of plain text"
    made = Mail(id=ids.new("mal"), about=about, address=to, masked=addresses.mask(to), subject=subject, body=body)
    db.add(made)
    db.flush()
    return made


_TAKE = text("""
    UPDATE mails SET attempts = attempts + 1, due_at = now() + CAST(:lease AS interval)
     WHERE id = ANY(ARRAY(SELECT id FROM mails WHERE state = 'waiting' AND due_at <= now()
                           ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED))
    RETURNING id, address, subject, body, created_at, attempts
""")
# Whatever else was thought of it meanwhile: it has left.
_SENT = text("""
    UPDATE mails SET state = 'sent', ended_at = now(), last_error = NULL WHERE id = :id AND state <> 'sent'
""")
# Unless somebody else has taken it, or let it be tried again, since this try was begun.
_FAILED = text("""
    UPDATE mails
       SET last_error = :error,
           due_at = now() + least(CAST(:pause AS interval) * power(2, least(attempts - 1, 20)),
                                  CAST(:longest AS interval)) * (0.5 + random() / 2),
           state = CASE WHEN :final OR attempts >= :attempts_max THEN 'given_up' ELSE state END,
           ended_at = CASE WHEN :final OR attempts >= :attempts_max THEN now() END
     WHERE id = :id AND state = 'waiting' AND attempts = :attempts
    RETURNING state = 'given_up'
""")
_TOO_OLD = text("""
    UPDATE mails SET state = 'given_up', ended_at = now(), last_error = coalesce(last_error, 'Nobody has sent it.')
     WHERE id = ANY(ARRAY(SELECT id FROM mails
                           WHERE state = 'waiting' AND due_at <= now()
                             AND waiting_since <= now() - make_interval(days => :days)
                           ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING id, about
""")


def send_due(db: Session) -> Iterator[None]:
    """Send all that is due; nothing is held while a letter is on its way. Several may do so at once. An errand.

    It ends early when the server cannot be used, so that the next tick asks it again.
    """
    for row in db.execute(_TOO_OLD, {"days": DAYS_MAX, "limit": _AT_ONCE}).all():
        log.warning("mail given up", mail_id=row.id, about=row.about)
    yield
    transport = mail_transports.read_url(db.info.get("mail_url", ""), db.info.get("mail_from", ""))
    while transport is not None and (taken := _take(db)):
        yield  # committed: they are ours until the lease ends
        if not (yield from _send(db, transport, taken)):
            return


def _take(db: Session) -> list[tuple[Letter, int]]:
    """Letters that are due, the oldest first, each with the number of this try."""
    rows = db.execute(_TAKE, {"lease": LEASE, "batch": BATCH}).all()
    return [
        (Letter(row.id, row.address, row.subject, row.body, row.created_at), row.attempts)
        for row in sorted(rows, key=lambda row: row.id)
    ]


def _send(db: Session, transport: Transport, taken: Sequence[tuple[Letter, int]]) -> Generator[None, None, bool]:
    """Send what was taken, and note each by itself: whoever dies here has at most one to send twice.

    Returns whether to go on. A server that cannot be used is not asked again for the letters behind.
    """
    end = time.monotonic() + _BEGINS_WITHIN_SECONDS
    failure: NotSent | None = None
    for letter, attempts in taken:
        if time.monotonic() > end:
            return False
        if not isinstance(failure, Unreachable):
            failure = _deliver(transport, letter)
        _note(db, letter, attempts, failure)
        yield
    return not isinstance(failure, Unreachable)


def _deliver(transport: Transport, letter: Letter) -> NotSent | None:
    try:
        transport.deliver(letter)
    except NotSent as failure:
        return failure
    return None


def _note(db: Session, letter: Letter, attempts: int, failure: NotSent | None) -> None:
    if failure is None:
        db.execute(_SENT, {"id": letter.id})
        return
    # Servers repeat the address. It is masked before the rest is cut off, or half of it might stay.
    told = re.sub(re.escape(letter.to), addresses.mask(letter.to), str(failure), flags=re.IGNORECASE)[:_ERROR_LONGEST]
    given = {
        "id": letter.id, "attempts": attempts, "error": told, "final": isinstance(failure, Refused),
        "attempts_max": ATTEMPTS_MAX, "pause": _PAUSE, "longest": _PAUSE_LONGEST,
    }  # fmt: skip
    is_given_up = db.scalar(_FAILED, given)
    log.warning("mail not sent", mail_id=letter.id, attempts=attempts, given_up=bool(is_given_up))


_ERASE = text("""
    UPDATE mails SET address = NULL, body = NULL
     WHERE id = ANY(ARRAY(SELECT id FROM mails
                           WHERE state <> 'waiting' AND body IS NOT NULL
                             AND ended_at <= now() - CAST(:kept AS interval)
                           ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


def erase(db: Session) -> int:
    """Delete address and text of what was sent or given up a week ago, and keep that it was; how many. A sweep."""
    return int(db.execute(_ERASE, {"kept": KEPT, "limit": _AT_ONCE}).rowcount)  # type: ignore[attr-defined]


def retry(db: Session, mail_id: str) -> Mail:
    """Let a mail that was given up be sent after all, as if it were new. Mend the cause first."""
    mail = db.get(Mail, mail_id, with_for_update=True, populate_existing=True)
    if mail is None:
        raise NotFound("There is no such mail.")
    if mail.state != MailState.GIVEN_UP:
        raise MailNotGivenUp("It has been sent." if mail.state == MailState.SENT else "It waits, and is tried again.")
    if mail.body is None:
        raise MailErased(f"It was given up more than {KEPT.days} days ago, and its text is gone.")
    now = clock.now(db)
    mail.state, mail.attempts, mail.ended_at = MailState.WAITING, 0, None
    mail.waiting_since = mail.due_at = now
    db.flush()
    return mail


def listed(*, state: str | None = None) -> Select[Mail]:
    """All mails, or those in a state."""
    rows = select(Mail)
    return rows if state is None else rows.where(Mail.state == state)


_AGES = text("""
    SELECT (SELECT count(*) FROM mails WHERE state = 'waiting') AS waiting,
           (SELECT coalesce(extract(epoch FROM now() - min(waiting_since)), 0)::float
              FROM mails WHERE state = 'waiting') AS oldest,
           (SELECT count(*) FROM mails WHERE state = 'given_up' AND body IS NOT NULL) AS given_up
""")


def gauges(db: Session) -> Iterable[Gauge]:
    """How much waits, for how long, and what somebody of ops should look at."""
    row = db.execute(_AGES).one()
    yield Gauge("rookery_mails_waiting", "Mails that wait to be sent", row.waiting)
    yield Gauge("rookery_mails_oldest_seconds", "Age of the oldest mail that waits", row.oldest)
    yield Gauge("rookery_mails_given_up", "Mails that were given up and could be tried again", row.given_up)
