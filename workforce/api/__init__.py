"""The workforce routes: workers, requesters, ops. Parse, call, serialise."""

from workforce.api import (
    appeals,
    assignment,
    available,
    drafts,
    gold,
    imports,
    invitations,
    labels,
    leases,
    messages,
    onboarding,
    people,
    pools,
    projects,
    queues,
    reviews,
    suspensions,
)
from workforce.api.edge import routes

__all__ = [
    "appeals",
    "assignment",
    "available",
    "drafts",
    "gold",
    "imports",
    "invitations",
    "labels",
    "leases",
    "messages",
    "onboarding",
    "people",
    "pools",
    "projects",
    "queues",
    "reviews",
    "routes",
    "suspensions",
]
