"""One web process: waitress reads a request whole before a thread works on it, so a slow sender holds nobody up.

A process that is asked to end answers all it has received, and whatever still comes on its open connections; who
connects anew is taken up by the others that listen on the same socket or port. Any other WSGI server can take its
place.
"""

import errno
import importlib
import logging
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from foundation import framing, processes

# Windows has no such limits, and does without web processes; but its commands import this.
if sys.platform != "win32":
    import resource

log = structlog.get_logger()

# Kept in memory; what is larger waits in a file. A thousand senders at once must not fill the memory.
_BODY_BYTES_IN_MEMORY = 64 * 1024
# What the kernel may keep for one client that does not read; it would take megabytes.
_SENT_AHEAD = 128 * 1024
_CONNECTIONS_MAX = 4_000
# A connection may need a second file, for its body.
_FILES_EACH = 2
_FILES_OF_OUR_OWN = 32
_QUEUE = 4_096
_ACCEPTED_AT_ONCE = 16
_IDLE_SECONDS = 60
_LINGER_SECONDS = 5.0
# Sooner than this, nobody is taken for gone: a client may close its own half of the connection, and still read.
_PATIENCE_SECONDS = 1.0
# Requests wait and no thread answers any: they wait for each other, since all that they may wait for ends sooner.
_STUCK_SECONDS = 30.0
_TURN_SECONDS = 1.0
_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# Whether this process is up: answered by a thread of its own, since the others may all wait for the database.
_ALWAYS_ANSWERED = "/health"
DRAIN_SECONDS = 30.0
# So long a connection may be silent while the process ends: a client that sends just now is still answered.
_DRAIN_IDLE_SECONDS = 2.0


def load(name: str) -> Any:
    """The WSGI application that `module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def listen(host: str, port: int, *, beside_others: bool = False) -> socket.socket:
    """A listening socket; with `beside_others` on a port that more processes of this user listen on."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if beside_others:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(_QUEUE)
    except OSError:
        listening.close()
        raise
    return listening


def inherited(fd: int) -> socket.socket:
    """The listening socket that a parent process has left open for this one."""
    return socket.socket(fileno=fd)


def serve(
    application: Any, *, listening: socket.socket, threads: int, beat: Callable[[], None], trusted_proxies: int = 0
) -> None:
    """Answer until SIGTERM or Ctrl-C, then what has come by then. `beat` is called as long as all is well."""
    # It warns of every request that waits a moment for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = Server(
        application,
        listening,
        beat,
        Adjustments(
            threads=threads,
            max_request_body_size=framing.BODY_BYTES_MAX,
            max_request_header_size=framing.HEAD_BYTES_MAX,
            inbuf_overflow=_BODY_BYTES_IN_MEMORY,
            outbuf_overflow=_BODY_BYTES_IN_MEMORY,
            connection_limit=_connections(threads),
            channel_timeout=_IDLE_SECONDS,
            backlog=_QUEUE,
            ident=None,
            **_trust(trusted_proxies),
        ),
    )
    processes.at_the_end(server.end)
    server.run()


def _trust(proxies: int) -> dict[str, Any]:
    # What a caller says of their own address counts only where so many proxies of ours have added to it.
    if not proxies:
        return {}
    return {"trusted_proxy": "*", "trusted_proxy_count": proxies, "trusted_proxy_headers": {"x-forwarded-for"}}


def _connections(threads: int) -> int:
    """How many connections there are files for: as many as we want, if the system's hard limit allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ours = _FILES_OF_OUR_OWN + threads
    wanted = ours + _FILES_EACH * _CONNECTIONS_MAX
    if soft == resource.RLIM_INFINITY:
        return _CONNECTIONS_MAX
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(_CONNECTIONS_MAX, (soft - ours) // _FILES_EACH))


class Task(WSGITask):
    """One request's way through the application."""

    def get_environment(self) -> Any:
        environ = super().get_environment()
        # waitress takes all slashes at the beginning for one: another name for a real address.
        environ["PATH_INFO"] = self.request.path or "/"
        return environ

    def build_response_header(self) -> Any:
        # What the client sent behind this one has been received as well, and is answered first.
        if self.channel.server.ending and len(self.channel.requests) == 1:
            self.set_close_on_finish()
        return super().build_response_header()


class Channel(HTTPChannel):
    """One connection."""

    task_class = Task
    error_task_class = framing.Refusal
    parser_class = framing.Parser
    # What the selector looks for on its socket.
    watched = 0
    refused = False
    lingers_until: float | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.server.watch(self)

    @property
    def is_aside(self) -> bool:
        """Whether the next request is answered by the thread that waits for nothing."""
        # What is no request has no path.
        return getattr(self.requests[0], "path", None) == _ALWAYS_ANSWERED

    def service(self) -> None:
        aside = self.is_aside
        self.server.served.add(self)
        self.refused = self.requests[0].error is not None
        if self._is_deserted():
            self.connected = False
        super().service()
        if not aside:
            self.server.answered = time.monotonic()

    def _is_deserted(self) -> bool:
        """Whether the client has gone while its request waited for a thread. In a crowd that gives up and comes again,
        the threads would work for those who have gone, and never reach the others.
        """
        if time.time() - self.last_activity < _PATIENCE_SECONDS:
            return False
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def received(self, data: bytes) -> Any:
        if self.lingers_until is None:
            return super().received(data)
        if time.monotonic() > self.lingers_until:
            self.handle_close()
        return False

    def handle_close(self) -> None:
        # A thread that finds its client gone leaves the closing to the main thread, which hears of it as well.
        if threading.current_thread() is not threading.main_thread():
            return
        if self.refused:
            self._linger()
        else:
            self.server.forget(self)
            super().handle_close()

    def _linger(self) -> None:
        """Say no more, but let a refused client send for a while: closed at once, the connection would break, and the
        client would never read why.
        """
        self.refused, self.will_close = False, False
        self.lingers_until = time.monotonic() + _LINGER_SECONDS
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()


class Server(TcpWSGIServer):
    """All sockets of this process. waitress asks each of them, at every turn, what it waits for; this one only those
    that something happened to, so that a request costs the same however many connections are open.
    """

    channel_class = Channel
    watched = 0

    def __init__(
        self, application: Any, listening: socket.socket, beat: Callable[[], None], adjustments: Adjustments
    ) -> None:
        self.ending = False
        # Channels that a thread works for, or did until a moment ago.
        self.served: set[Channel] = set()
        self._beat = beat
        self._full_until = 0.0
        # When a request was answered, or nobody waited for a thread.
        self.answered = time.monotonic()
        self._selector = selectors.DefaultSelector()
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(application, None, True, listening, adj=adjustments, sockinfo=info, bind_socket=False)
        self._aside = ThreadedTaskDispatcher()
        self._aside.set_thread_count(1)
        self._selector.register(self.trigger.socket, selectors.EVENT_READ, self.trigger)

    def add_task(self, channel: Channel) -> None:
        (self._aside if channel.is_aside else self.task_dispatcher).add_task(channel)

    def end(self) -> None:
        """Let `run` come to its end. May be called from anywhere."""
        self.ending = True
        self.pull_trigger()

    def run(self) -> None:
        while not self.ending:
            self._turn()
        self._drain()

    def _turn(self) -> None:
        """Wait, a second at most, for something to happen, and see to it."""
        if not self.task_dispatcher.queue:
            self.answered = time.monotonic()
        if time.monotonic() - self.answered < _STUCK_SECONDS:
            self._beat()
        self.watch(self)
        for channel in list(self.served):
            if not channel.requests:
                self.served.discard(channel)
            self.watch(channel)
        for key, events in self._selector.select(_TURN_SECONDS):
            if events & selectors.EVENT_READ:
                wasyncore.read(key.data)
            if events & selectors.EVENT_WRITE:
                wasyncore.write(key.data)
            if key.data is not self.trigger:
                self.watch(key.data)

    def watch(self, one: Any) -> None:
        """Look for what a channel, or this server, waits for now."""
        wanted = (selectors.EVENT_READ if one.readable() else 0) | (selectors.EVENT_WRITE if one.writable() else 0)
        if wanted == one.watched or one.socket is None:
            return
        if not one.watched:
            self._selector.register(one.socket, wanted, one)
        elif wanted:
            self._selector.modify(one.socket, wanted, one)
        else:
            self._selector.unregister(one.socket)
        one.watched = wanted

    def forget(self, one: Any) -> None:
        """Look for nothing more; before its socket is closed."""
        if one.watched:
            self._selector.unregister(one.socket)
            one.watched = 0

    def maintenance(self, now: float) -> None:
        """Close what has been silent too long."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            self.watch(channel)

    def set_socket_options(self, conn: socket.socket) -> None:
        super().set_socket_options(conn)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_AHEAD)

    def handle_accept(self) -> None:
        # Some at once, so that a crowd gets in quickly; not all, so that other processes get their share.
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accept():
                return

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            if error.errno in _NO_FILES:
                log.warning("no file is left for a connection", error=error.strerror)
                self._full_until = time.monotonic() + _TURN_SECONDS
                return None
            raise

    def readable(self) -> Any:
        return super().readable() and time.monotonic() >= self._full_until

    def _accept(self) -> bool:
        before = len(self.active_channels)
        super().handle_accept()
        return len(self.active_channels) > before

    def _drain(self) -> None:
        """Answer whoever has connected, tell them to go, and end when they are gone, or in time."""
        while len(self.active_channels) < self.adj.connection_limit and self._accept():
            pass
        self.forget(self)
        # Not its own `close`, which would take the threads' way to wake this one.
        wasyncore.dispatcher.close(self)
        end = time.monotonic() + DRAIN_SECONDS
        while self.active_channels and time.monotonic() < end:
            self._turn()
            silent_since = time.time() - _DRAIN_IDLE_SECONDS
            for channel in list(self.active_channels.values()):
                if not (channel.requests or channel.total_outbufs_len) and channel.last_activity < silent_since:
                    channel.will_close = True
                    self.watch(channel)
