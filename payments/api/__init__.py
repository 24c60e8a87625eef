"""The payments routes: finance's side of the books, and what owners and payees see of their own."""

from payments.api import (
    banking,
    books,
    clearance,
    credit_notes,
    earnings,
    exports,
    floors,
    funding,
    mine,
    payouts,
    rail_fees,
    redenominations,
    rules,
    unclaimed,
)
from payments.api.edge import APPROVER, FINANCE, READ, routes

__all__ = [
    "APPROVER",
    "FINANCE",
    "READ",
    "banking",
    "books",
    "clearance",
    "credit_notes",
    "earnings",
    "exports",
    "floors",
    "funding",
    "mine",
    "payouts",
    "rail_fees",
    "redenominations",
    "routes",
    "rules",
    "unclaimed",
]
