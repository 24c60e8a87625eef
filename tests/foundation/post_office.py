"""An SMTP server (RFC 5321) for tests: it takes letters as a real one does, and fails in the ways that real ones do."""

import base64
import ipaddress
import re
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# RFC 5321, 4.5.3.1.6, with its end.
_LINE_LONGEST = 1000
_PATH = re.compile(r"(FROM|TO):<([^<>\s]+)>", re.IGNORECASE)
USER, PASSWORD = "house", "s3cret:/@"


@dataclass(frozen=True, slots=True)
class Received:
    """What the server has got: whom the envelope names, and the letter."""

    sender: str
    to: tuple[str, ...]
    letter: EmailMessage
    raw: bytes
    private: bool
    logged_in: bool


@dataclass
class PostOffice:
    """A server that listens on `port`. Change what it does while it runs."""

    certificate: Path | None = None
    starts_with_tls: bool = False
    # What it answers to a command (or "." at the end of a letter) instead of taking it.
    answers: dict[str, str] = field(default_factory=dict)
    # The same for addresses.
    refuses: dict[str, str] = field(default_factory=dict)
    # Where it says nothing more, and where it hangs up: after it has the letter, if at ".".
    silent_at: str = ""
    dies_at: str = ""
    seconds_each: float = 0.0
    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context


@contextmanager
def opened(office: PostOffice) -> Iterator[PostOffice]:
    """Listen until this ends."""

    class Bound(_Talk):
        pass

    Bound.office = office
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Bound) as server:
        server.daemon_threads = True
        office.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield office
        finally:
            office.let_go.set()
            server.shutdown()
            serving.join()


class _HungUp(Exception):
    """The conversation is over."""


class _Talk(socketserver.StreamRequestHandler):
    """One connection."""

    office: PostOffice
    private = False
    logged_in = False
    sender = ""
    to: tuple[str, ...] = ()

    def handle(self) -> None:
        self.office.connections += 1
        try:
            if self.office.starts_with_tls:
                self._go_private()
            self._come_to("greeting")
            self._say("220 post.example.org ESMTP")
            while line := self._line():
                self._answer(line)
        except (_HungUp, OSError):
            return

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _line(self) -> str:
        line = self.rfile.readline(_LINE_LONGEST + 1)
        if line and (len(line) > _LINE_LONGEST or not line.endswith(b"\r\n")):
            self._say("500 5.5.2 That is no line")
            raise _HungUp
        return line.decode("ascii").removesuffix("\r\n")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.wfile.write(line.encode() + b"\r\n")

    def _come_to(self, place: str) -> None:
        if self.office.silent_at == place:
            self.office.let_go.wait(30)
            raise _HungUp
        if self.office.dies_at == place:
            raise _HungUp

    def _answer(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        self._come_to(verb)
        if verb in self.office.answers:
            self._say(self.office.answers[verb])
            return
        known: dict[str, Callable[[str], None]] = {
            "EHLO": self._ehlo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "QUIT": self._quit,
        }  # fmt: skip
        known.get(verb, self._unknown)(rest)

    def _unknown(self, _rest: str) -> None:
        self._say("502 5.5.1 Not here")

    def _ehlo(self, _rest: str) -> None:
        offered = ["post.example.org"]
        if self.office.tls is not None and not self.private:
            offered.append("STARTTLS")
        if self.private:
            offered.append("AUTH PLAIN")
        self._say(*(f"250-{one}" for one in offered), "250 HELP")

    def _starttls(self, _rest: str) -> None:
        self._say("220 2.0.0 Go on")
        self._go_private()

    def _go_private(self) -> None:
        assert self.office.tls is not None
        self.connection = self.request = self.office.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.private = True

    def _auth(self, rest: str) -> None:
        said = base64.b64decode(rest.partition(" ")[2]).decode().split("\x00")
        self.logged_in = said == ["", USER, PASSWORD]
        self._say("235 2.7.0 Welcome" if self.logged_in else "535 5.7.8 Not you")

    def _mail(self, rest: str) -> None:
        found = _PATH.match(rest)
        if found is None or self.sender:
            self._say("503 5.5.1 Not now")
            return
        self.sender = found[2]
        self._say("250 2.1.0 Ok")

    def _rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest)
        if found is None or not self.sender:
            self._say("503 5.5.1 Not now")
            return
        if (no := self.office.refuses.get(found[2])) is not None:
            self._say(no)
            return
        self.to = (*self.to, found[2])
        self._say("250 2.1.5 Ok")

    def _data(self, _rest: str) -> None:
        if not self.to:
            self._say("503 5.5.1 Not now")
            return
        self._say("354 End with .")
        lines = []
        while (line := self._line()) != ".":
            lines.append(line.removeprefix("."))
        raw = "\r\n".join([*lines, ""]).encode()
        self.office.let_go.wait(self.office.seconds_each)
        if "." in self.office.answers:
            self._say(self.office.answers["."])
            return
        letter = message_from_bytes(raw, policy=policy.SMTP)
        assert isinstance(letter, EmailMessage)
        self.office.received.append(Received(self.sender, self.to, letter, raw, self.private, self.logged_in))
        self._come_to(".")
        self.sender, self.to = "", ()
        self._say("250 2.0.0 Taken")

    def _rset(self, _rest: str) -> None:
        self.sender, self.to = "", ()
        self._say("250 2.0.0 Ok")

    def _quit(self, _rest: str) -> None:
        self._say("221 2.0.0 Bye")
        raise _HungUp


def make_certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "post.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "post.pem"
    plain = serialization.NoEncryption()
    written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(written + made.public_bytes(serialization.Encoding.PEM))
    return path
