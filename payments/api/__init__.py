"""The payments routes: finance's side of the books, and what owners and payees see of their own."""

from payments.api import books, earnings, floors, funding, mine, payouts, redenominations, rules
from payments.api.edge import APPROVER, FINANCE, READ, routes

__all__ = [
    "APPROVER",
    "FINANCE",
    "READ",
    "books",
    "earnings",
    "floors",
    "funding",
    "mine",
    "payouts",
    "redenominations",
    "routes",
    "rules",
]
