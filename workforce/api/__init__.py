"""The workforce routes: workers, requesters, ops. Parse, call, serialise."""

from workforce.api import assignment, gold, people, pools, projects
from workforce.api.edge import routes

__all__ = ["assignment", "gold", "people", "pools", "projects", "routes"]
