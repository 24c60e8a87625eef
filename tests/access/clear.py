"""Who may be paid out, in the world: rules, records, a list with whom it means, and blocks in every state."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from payments import blocks, kyc, kyc_rules, payees, reviews, screening
from payments.kyc import Finding
from payments.models import Payee
from tests import factories
from tests.payments import cleared

Found = tuple[str, str, str, str]


def things(session: Session, approver: str) -> Iterator[Found]:
    """All of it. approver : whose own acts nobody else has confirmed."""
    for state, entered_by in {"waiting": "finance", "theirs": approver, "confirmed": "finance"}.items():
        country = None if state == "confirmed" else "PH"
        terms = kyc_rules.Terms("EUR", "total", date(2026, 1, 1), "A circular.", country, "900000")
        rule = kyc_rules.enter(session, terms, entered_by=entered_by)
        if state == "confirmed":
            kyc_rules.confirm(session, rule.id, confirmed_by="approver")
        yield "kyc_rule", state, "", rule.id
    verified, refused = _payee(session, "Verified"), _payee(session, "Refused")
    cleared.verify(session, verified, days=9, recorded_by="finance")
    kyc.record(session, refused.id, Finding("pending"), recorded_by="finance")
    kyc.record(session, refused.id, Finding("refused", note="Two in one."), recorded_by="finance")
    yield "barred", "verified", "", verified.id
    yield from _screenings(session, approver)
    yield from _blocks(session, approver)


def _payee(session: Session, name: str) -> Payee:
    payee = payees.of_owner(session, factories.create_worker(session).id)
    payee.name = f"{name} Person"
    session.flush()
    return payee


def _screenings(session: Session, approver: str) -> Iterator[Found]:
    """Everybody is screened; of those whom the list means, some wait, and one has been decided."""
    names = ["Waiting", "Decided", "Theirs"]
    people = {name: _payee(session, name) for name in names[:-1]}
    rows = [f"{name} Person,," for name in names]
    cleared.listing(session, *rows, f"Nobody Person,,{'11' * 32}", begun_by="finance")
    cleared.go_through(session, begun_by="finance")
    people["Theirs"] = _payee(session, "Theirs")
    screening.refresh(session, [people["Theirs"].id], asked_by=approver)
    for name, payee in people.items():
        found = session.scalars(screening.listed(payee_id=payee.id)).one()
        if name == "Decided":
            reviews.decide(session, found.id, decision="clear", reason="Born elsewhere.", decided_by="approver")
        yield "screening", name.lower(), "", found.id
    yield "barred", "waiting", "", people["Waiting"].id


def _blocks(session: Session, approver: str) -> Iterator[Found]:
    for state in ("proposed", "theirs", "refused", "active", "lifting", "their_lift", "lifted"):
        payee = _payee(session, f"Blocked {state}")
        screening.refresh(session, [payee.id], asked_by="finance")
        made_by = approver if state == "theirs" else "finance"
        block = blocks.propose(session, payee_id=payee.id, reason="A court.", made_by=made_by)
        if state == "refused":
            blocks.refuse(session, block.id, refused_by="approver")
        elif state not in {"proposed", "theirs"}:
            blocks.confirm(session, block.id, confirmed_by="approver")
        if state in {"lifting", "their_lift", "lifted"}:
            lift_by = approver if state == "their_lift" else "finance"
            blocks.propose_lift(session, block.id, reason="It is over.", proposed_by=lift_by)
        if state == "lifted":
            blocks.lift(session, block.id, confirmed_by="approver")
        yield "block", state, "", block.id
        if state == "active":
            yield "barred", "blocked", "", payee.id


def follow_names(owner_url: str) -> None:
    """Let screenings be of payees as they are called since canaries were planted, so that they are not stale."""
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE screenings DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE screenings s SET name = p.name FROM payees p WHERE p.id = s.payee_id"))
        connection.execute(text("ALTER TABLE screenings ENABLE TRIGGER USER"))
    engine.dispose()
