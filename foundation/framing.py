"""What is refused below the application: bytes that are no sound HTTP/1.1 request, each answered with a problem.

Where two readers of the same bytes could disagree about where a request ends, it is refused, not guessed.
"""

import copy
import json
import re
import weakref
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask

from foundation import http, ids
from foundation.errors import BadRequest, ContentTooLarge, Internal, Problem, Unavailable

HEAD_BYTES_MAX = 16 * 1024
# More than the application takes, so that it can say itself what is too large; beyond this nothing is read.
BODY_BYTES_MAX = 4 * http.BODY_MAX
# Nobody has been asked yet who they are: more files than these at once could fill the disk.
_UPLOADS_MAX = 8

# A coding that is named twice on one line is read once here, and maybe twice by somebody before us.
_CHUNKED_ONCE = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?:\r\n|\Z)", re.IGNORECASE)

log = structlog.get_logger()


class HeadTooLarge(Problem):
    """The head of the request is larger than the service reads."""

    status = 431


class TransferCodingUnknown(Problem):
    """The body comes in a transfer coding that the service does not know."""

    status = 501


class VersionUnknown(Problem):
    """Only HTTP/1.1 and HTTP/1.0 are spoken here."""

    status = 505


class UploadsFull(Unavailable):
    """As many files as are taken at once are being sent."""


# waitress says in its own words what it refuses, and repeats what was sent.
_REFUSED: dict[int, Problem] = {
    400: BadRequest("These bytes are no well-formed HTTP/1.1 request."),
    413: ContentTooLarge("A body as long as this is not even read."),
    431: HeadTooLarge(f"A request line and its headers must have fewer than {HEAD_BYTES_MAX} bytes together."),
    500: Internal("This is our fault, it is logged, and nothing was changed."),
    501: TransferCodingUnknown("Send the body with a Content-Length, or chunked."),
}


class Parser(HTTPRequestParser):
    """waitress's parser, and stricter."""

    # Those that take in a file. They are forgotten with their request; only the main thread reads heads.
    _uploading: ClassVar[weakref.WeakSet["Parser"]] = weakref.WeakSet()
    # One of ours, or one of waitress's.
    error: Any = None
    adj: Any
    expect_continue = False

    def received(self, data: bytes) -> int:
        """How much of this belonged to the request."""
        taken: int = super().received(data)
        # Told to go on, a client that is refused already, or has nothing to send, would be waited for.
        self.expect_continue = self.expect_continue and not self.completed
        return taken

    def parse_header(self, head: bytes) -> None:
        """Read a head, or set `error`."""
        try:
            super().parse_header(head)
        except ValueError:
            # An address in brackets that is none, or a length of thousands of digits.
            self.error = BadRequest("The address or the Content-Length of the request is not valid.")
        else:
            self.error = self._refusal(head)
        self.completed = self.error is not None

    def _refusal(self, head: bytes) -> Problem | None:
        if not self.version:
            return BadRequest("A request line ends with the version, such as HTTP/1.1.")
        if self.version not in {"1.0", "1.1"}:
            return VersionUnknown("Send the request as HTTP/1.1.")
        if b"\r\n " in head or b"\r\n\t" in head:
            return BadRequest("A header must stand on one line.")
        return self._header_refusal(head)

    def _header_refusal(self, head: bytes) -> Problem | None:
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or "," in (host or ""):
            return BadRequest("Send one Host header.")
        if '"' in self.headers.get("X_FORWARDED_FOR", ""):
            # Behind a proxy of ours waitress would take the quotes apart, and refuse half a pair in its own words.
            return BadRequest("X-Forwarded-For holds addresses and commas alone.")
        coded = head.lower().count(b"\r\ntransfer-encoding:")
        sound = self.chunked and "CONTENT_LENGTH" not in self.headers and _CHUNKED_ONCE.search(head)
        if coded > 1 or (coded and not sound):
            return BadRequest("Send the body with a Content-Length or chunked, not both, and chunked in HTTP/1.1 only.")
        return self._make_room()

    def _make_room(self) -> Problem | None:
        """Let a longer body come where a file is taken."""
        upload = http.uploads.get(self.path) if self.command == "POST" else None
        if upload is None or (not self.chunked and self.content_length < BODY_BYTES_MAX):
            return None
        # More than allowed, so that the application can say itself what is too long.
        self.adj = copy.copy(self.adj)
        self.adj.max_request_body_size = upload.bytes_max + BODY_BYTES_MAX
        if len(self._uploading) >= _UPLOADS_MAX:
            return UploadsFull("Several files are being sent just now; try again in a moment.")
        self._uploading.add(self)
        return None


class Refusal(ErrorTask):
    """The answer to a request that never reached the application; the connection ends with it."""

    def execute(self) -> None:
        error = self.request.error
        problem = error if isinstance(error, Problem) else _REFUSED[error.code]
        body = json.dumps(problem.body()).encode()
        request_id = ids.new("rqs")
        self.status = f"{problem.status} {HTTPStatus(problem.status).phrase}"
        self.response_headers = [
            ("Cache-Control", "no-store"),
            ("Content-Type", "application/problem+json"),
            ("Rookery-Request-Id", request_id),
            ("X-Content-Type-Options", "nosniff"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        log.info("request refused", problem=problem.type_name(), status=problem.status, request_id=request_id)
