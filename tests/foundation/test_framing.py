"""How much is read before anybody is asked who they are."""

from collections.abc import Iterator

import pytest
from waitress.adjustments import Adjustments

from foundation import framing, http
from foundation.framing import BODY_BYTES_MAX, Parser

_PATH, _MOST = "/test/files", 3 * BODY_BYTES_MAX


@pytest.fixture
def taken() -> Iterator[None]:
    """An address that takes long files."""
    http.uploads[_PATH] = http.Upload(_MOST)
    yield
    del http.uploads[_PATH]


def _head(path: str, length: int, method: str = "POST") -> Parser:
    parser = Parser(Adjustments(max_request_body_size=BODY_BYTES_MAX))
    parser.received(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
    return parser


@pytest.mark.parametrize(
    ("path", "length", "method", "refused"),
    [
        (_PATH, _MOST, "POST", 0),
        (_PATH, _MOST, "PUT", 413),
        (_PATH + "/x", _MOST, "POST", 413),
        (_PATH, 2 * _MOST, "POST", 413),
        ("/other", BODY_BYTES_MAX - 1, "POST", 0),
    ],
)
def test_more_is_read_only_where_a_file_is_taken(
    taken: None, path: str, length: int, method: str, refused: int
) -> None:
    error = _head(path, length, method).error

    assert (error.code if error is not None else 0) == refused


def test_only_so_many_files_are_read_at_once(taken: None) -> None:
    several = [_head(_PATH, _MOST) for _ in range(framing._UPLOADS_MAX)]

    assert isinstance(_head(_PATH, _MOST).error, framing.UploadsFull)
    assert _head(_PATH, 10).error is None, "a short one needs no room"

    del several[0]
    assert _head(_PATH, _MOST).error is None
