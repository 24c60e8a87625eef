"""One web process: waitress reads a request whole before a thread works on it, so a slow sender holds nobody up.

Several of these share one port; the kernel deals out their connections. Any other WSGI server can take their place.
"""

import importlib
import logging
import socket
from typing import Any

import waitress

from foundation import http

# More than the application takes, so that it can say itself what is too large; beyond this nothing is read.
_BODY_BYTES_MAX = 4 * http.BODY_MAX
_HEAD_BYTES_MAX = 16 * 1024
# Kept in memory; what is larger waits in a file. A thousand senders at once must not fill the memory.
_BODY_BYTES_IN_MEMORY = 64 * 1024
_CONNECTIONS_MAX = 4_000
_IDLE_SECONDS = 60


def load(name: str) -> Any:
    """The WSGI application that `module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def serve(application: Any, *, host: str, port: int, threads: int, trusted_proxies: int = 0) -> None:
    """Answer until SIGTERM or Ctrl-C; what is being answered then is answered."""
    # It warns of every request that waits a moment for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        application,
        sockets=[_shared(host, port)],
        threads=threads,
        max_request_body_size=_BODY_BYTES_MAX,
        max_request_header_size=_HEAD_BYTES_MAX,
        inbuf_overflow=_BODY_BYTES_IN_MEMORY,
        connection_limit=_CONNECTIONS_MAX,
        channel_timeout=_IDLE_SECONDS,
        asyncore_use_poll=True,
        ident=None,
        **_trust(trusted_proxies),
    )
    server.run()


def _trust(proxies: int) -> dict[str, Any]:
    # What a caller says of their own address counts only where so many proxies of ours have added to it.
    if not proxies:
        return {}
    return {"trusted_proxy": "*", "trusted_proxy_count": proxies, "trusted_proxy_headers": {"x-forwarded-for"}}


def _shared(host: str, port: int) -> socket.socket:
    """A socket on a port that other web processes of this user may listen on too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.setblocking(False)
    return listening
