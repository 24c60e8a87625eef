"""What the routes of payments have in common: who may call, and amounts as ledger units."""

from datetime import UTC, date
from typing import Any

from flask import Response

from foundation.auth import Role, allow
from foundation.errors import within
from foundation.http import Call, Routes
from payments import money
from payments.made_files import NamedFile
from payments.models import Currency

FINANCE = Role("finance", frozenset({"finance"}))
# Whoever puts into force what finance has prepared; a person who is both is refused (four_eyes.py).
APPROVER = Role("approver", frozenset({"approve"}))
# Who may read what finance and approvers decide about.
READ = allow("finance", "approve", "audit")

routes = Routes("payments", "/api")


def amount_in(call: Call) -> tuple[Currency, int]:
    """The currency of a body and its amount in ledger units."""
    with within("/currency"):
        currency = money.currency(call.db, call.body["currency"])
    with within("/amount"):
        return currency, money.parse(call.body["amount"], currency)


def in_units(call: Call) -> dict[str, Any]:
    """A body with its amount in ledger units of its currency."""
    return {**call.body, "amount": amount_in(call)[1]}


def first_day(month: str) -> date:
    """Of a month such as 2026-10, which its schema has looked at."""
    return date.fromisoformat(f"{month}-01")


def handed_over(made: NamedFile, *, name: str | None = None) -> Response:
    """A file as it is downloaded; header fields carry its manifest: rows, control totals, moment and SHA-256."""
    response = Response(made.chunks(), content_type=made.content_type)
    # Nobody may ask for the chunks: a HEAD, or a client that is gone.
    response.call_on_close(made.file.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{name or made.name}"'
    response.headers["Rookery-Rows"] = str(made.rows)
    response.headers["Rookery-Sums"] = ", ".join(f"{amount} {currency}" for currency, amount in made.sums.items())
    response.headers["Rookery-As-Of"] = made.as_of.astimezone(UTC).isoformat()
    response.headers["Rookery-Sha256"] = made.sha256
    return response
