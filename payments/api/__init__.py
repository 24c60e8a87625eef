"""The payments routes: finance's side of the books, and what owners and payees see of their own."""

from payments.api import books, earnings, exports, floors, funding, mine, payouts, rules
from payments.api.edge import APPROVER, FINANCE, READ, routes

__all__ = [
    "APPROVER",
    "FINANCE",
    "READ",
    "books",
    "earnings",
    "exports",
    "floors",
    "funding",
    "mine",
    "payouts",
    "routes",
    "rules",
]
