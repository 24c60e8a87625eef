"""The workforce routes: workers, requesters, ops. Parse, call, serialise."""

from workforce.api import (
    assignment,
    available,
    drafts,
    gold,
    invitations,
    leases,
    messages,
    people,
    pools,
    projects,
    suspensions,
)
from workforce.api.edge import routes

__all__ = [
    "assignment",
    "available",
    "drafts",
    "gold",
    "invitations",
    "leases",
    "messages",
    "people",
    "pools",
    "projects",
    "routes",
    "suspensions",
]
