"""What the routes of workforce have in common."""

from foundation.http import Routes

routes = Routes("workforce", "/api")
