"""The workforce routes: workers, requesters, ops. Parse, call, serialise."""

from workforce.api import assignment, available, gold, leases, people, pools, projects
from workforce.api.edge import routes

__all__ = ["assignment", "available", "gold", "leases", "people", "pools", "projects", "routes"]
