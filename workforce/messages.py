"""Messages: what happened to somebody, in words, kept for them to read and mailed where they want that.

A kind is a row of `KINDS`; whoever has news calls `tell`, most often in a reaction to an event, and says them once. A
mail has no more than a message's title, for what is in it is between the house and its reader.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids, mail
from foundation.errors import NotFound
from payments import contacts, holds, payees, payouts
from payments.events import PayHeld, PayoutsSent
from workforce.models import Message, MessageChoice

# How long what was told is kept.
KEPT_DAYS = 400
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages of one kind. words : with the names of facts in braces."""

    title: str
    words: str
    by_mail: bool = True


KINDS: Mapping[str, Kind] = {
    "tier_moved": Kind(
        "Your tier has changed", "In {skill} you are at tier {tier} from your next claim on. {reason}", by_mail=False
    ),
    "appeal_decided": Kind("Your appeal was decided", "Your appeal about task {task_id} was {outcome}. {reason}"),
    "pay_put_right": Kind("Your pay was put right", "{amount} {currency} more are due to you. {reason}"),
    "label_corrected": Kind(
        "A label was corrected", "Task {task_id} of project {project_id} has another label now. {reason}"
    ),
    "payout_sent": Kind("Your pay is on its way", "{net} {currency} have left over {rail}."),
    "pay_held": Kind("Some of your pay is held back", "It is held {until}, because: {reason}"),
    "gold_low": Kind("Gold runs low", "The gold of project {project_id} ends in about {days} days."),
    "lease_taken_back": Kind("A task was taken back", "You do not hold task {task_id} any more. {reason}"),
    "suspended": Kind("You cannot claim for now", "You cannot claim until {until}. {reason}"),
    "reinstated": Kind("You can claim again", "Nothing keeps you from claiming any more."),
}
# One of these names, as the documentation shows it.
KIND = re.compile("|".join(KINDS))
# Lines that no mail program breaks.
_MAILED = """\
There is a message for you:

    {title}

Read it at GET /api/me/messages, with your token. To get no mail for
messages like this one, see PUT /api/me/message-choices.
"""


@dataclass(frozen=True, slots=True)
class News:
    """What one person is told. person : their id; key : what it is about; facts : what the kind's words name."""

    person: str
    key: str
    facts: Mapping[str, object]


_STORE = text("""
    INSERT INTO messages (id, person_ref, kind, key, title, words)
    SELECT id, person, :kind, key, :title, words
      FROM unnest(CAST(:ids AS text[]), CAST(:persons AS text[]), CAST(:keys AS text[]), CAST(:words AS text[]))
        AS told(id, person, key, words)
     -- Whoever was forgotten is told nothing more; words would be left of them.
     WHERE NOT EXISTS (SELECT FROM erasures e WHERE e.worker_id = told.person AND e.state = 'done')
    ON CONFLICT DO NOTHING
    RETURNING id, person_ref
""")
_WANT_MAIL = text("""
    SELECT person FROM unnest(CAST(:persons AS text[])) AS told(person)
      LEFT JOIN message_choices c ON c.person_ref = told.person AND c.kind = :kind
     WHERE coalesce(c.by_mail, :usual)
""")


def tell(db: Session, kind: str, news: Sequence[News]) -> int:
    """Tell people something, each person each thing of a kind once however often it is told; how much was new."""
    if not news:
        return 0
    given = KINDS[kind]
    stored = db.execute(
        _STORE,
        {
            "kind": kind,
            "title": given.title,
            "ids": [ids.new("msg") for _ in news],
            "persons": [one.person for one in news],
            "keys": [one.key for one in news],
            "words": [given.words.format_map(one.facts).strip() for one in news],
        },
    ).all()
    told = {"persons": [row.person_ref for row in stored], "kind": kind, "usual": given.by_mail}
    wanted = set(db.scalars(_WANT_MAIL, told))
    for row in stored:
        if row.person_ref in wanted and (address := _address(db, row.person_ref)) is not None:
            mail.queue(db, to=address, subject=given.title, body=_MAILED.format(title=given.title), about=row.id)
    return len(stored)


def _address(db: Session, person: str) -> str | None:
    """Where somebody is mailed: at an address that they have shown to be theirs, if they have."""
    payee = db.scalar(payees.listed(owner_ref=person))
    return None if payee is None else contacts.proved_address(db, payee.id)


def tell_sent(db: Session, told: Sequence[PayoutsSent]) -> None:
    """Tell payees that their pay is on its way. Reacts to `PayoutsSent`."""
    sent = payouts.to_be_told(db, [payout_id for one in told for payout_id in one.payout_ids])
    tell(
        db,
        "payout_sent",
        [News(one.owner_ref, one.id, {"net": one.net, "currency": one.currency, "rail": one.rail}) for one in sent],
    )


def tell_held(db: Session, told: Sequence[PayHeld]) -> None:
    """Tell payees that some of their pay is held back. Reacts to `PayHeld`."""
    for one in told:
        hold = holds.find(db, one.hold_id)
        until = "until two people end it" if hold.until is None else f"until {hold.until:%Y-%m-%d %H:%M} UTC"
        person = payees.find(db, hold.payee_id).owner_ref
        tell(db, "pay_held", [News(person, hold.id, {"until": until, "reason": hold.reason})])


def listed(person: str, *, unread: bool = False) -> Select[Message]:
    """What somebody was told, or what of it they have not read."""
    rows = select(Message).where(Message.person_ref == person)
    return rows.where(Message.read_at.is_(None)) if unread else rows


class NoSuchMessage(NotFound):
    """There is no such message."""


_READ = text("""
    UPDATE messages SET read_at = now() WHERE person_ref = :person AND read_at IS NULL AND id <= :through
""")


def mark_read(db: Session, person: str, *, through: str) -> int:
    """Take it that somebody has read all up to a message of theirs; how many they had not."""
    if db.scalar(listed(person).where(Message.id == through)) is None:
        raise NoSuchMessage("Name the newest of your messages that you have read.")
    return int(db.execute(_READ, {"person": person, "through": through}).rowcount)  # type: ignore[attr-defined]


def choices(db: Session, person: str) -> list[dict[str, object]]:
    """For which kinds somebody gets a mail."""
    rows = db.execute(select(MessageChoice.kind, MessageChoice.by_mail).where(MessageChoice.person_ref == person))
    chosen = {row.kind: row.by_mail for row in rows}
    return [{"kind": name, "by_mail": chosen.get(name, kind.by_mail)} for name, kind in KINDS.items()]


_CHOOSE = text("""
    INSERT INTO message_choices (person_ref, kind, by_mail) VALUES (:person, :kind, :by_mail)
    ON CONFLICT (person_ref, kind) DO UPDATE SET by_mail = excluded.by_mail
""")


def choose(db: Session, person: str, *, kind: str, by_mail: bool) -> list[dict[str, object]]:
    """Let somebody get a mail for messages of a kind from now on, or none."""
    db.execute(_CHOOSE, {"person": person, "kind": kind, "by_mail": by_mail})
    return choices(db, person)


_FORGET = text("""
    DELETE FROM messages
     WHERE id = ANY(ARRAY(SELECT id FROM messages WHERE created_at <= now() - make_interval(days => :days)
                           ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


def forget(db: Session) -> int:
    """Delete what was told long ago; how many. A sweep."""
    done = db.execute(_FORGET, {"days": KEPT_DAYS, "limit": _AT_ONCE})
    return int(done.rowcount)  # type: ignore[attr-defined]
