"""The product with one bug planted: it acknowledges answers before it commits them. `make faults` must catch it."""

import threading
import time
from typing import Any

import flask
from sqlalchemy.orm import Session

import wsgi
from foundation import http

# How long a commit trails behind its acknowledgement: about as long as a write-back cache or a deferred flush.
_TRAIL_SECONDS = 0.1


class _Hasty(Session):
    """A session whose commit of an answer returns at once and happens later, if the process lives to see it."""

    hasty = False

    def commit(self) -> None:
        self.hasty = flask.request.path.endswith("/answer")
        if self.hasty:
            threading.Thread(target=self._commit_later).start()
        else:
            super().commit()

    def close(self) -> None:
        if not self.hasty:
            super().close()

    def _commit_later(self) -> None:
        time.sleep(_TRAIL_SECONDS)
        super().commit()
        super().close()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    application = wsgi.create_app()
    house: http.House = application.extensions["rookery"]
    house.sessions.class_ = type("_HastySession", (_Hasty,), {})
    return application
