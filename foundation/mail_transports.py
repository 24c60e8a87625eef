"""How a mail leaves the house: over SMTP, or as a file in a folder where nobody sends any. No table here.

A letter is the same bytes whenever it is written: its `Message-ID` is made of its row's id, so that one which left
twice, because its sender died in between, is known for one by whoever gets it.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from foundation import addresses

# For each step of the protocol. A server that says nothing for longer is taken for gone.
SILENCE_SECONDS = 15.0
_PORTS = {"smtp": 587, "smtps": 465}
# Seven bits alone: the next server need not be able to do more.
_POLICY = SMTP.clone(cte_type="7bit")
_FINAL = 500
_SAID_LONGEST = 2_000


class NotSent(Exception):
    """A letter did not leave, and may later; the message says what the server said."""


class Unreachable(NotSent):
    """The server cannot be used now, whatever the letter."""


class Refused(NotSent):
    """The server takes neither this letter nor a second try of it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: plain text to one address. No representation shows what is in it."""

    id: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    written_at: datetime

    def bytes_from(self, sender: str) -> bytes:
        """The letter by RFC 5322; `Refused` if it cannot be written as one."""
        message = EmailMessage(policy=_POLICY)
        try:
            message["From"], message["To"], message["Subject"] = sender, self.to, self.subject
            message["Date"] = format_datetime(self.written_at)
            message["Message-ID"] = f"<{self.id}@{addresses.domain(sender)}>"
            # RFC 3834: nobody's absence is told to a program.
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(self.body)
            return message.as_bytes()
        except ValueError as error:
            raise Refused("It cannot be written down as a letter.") from error


class Transport(Protocol):
    """A way out."""

    def deliver(self, letter: Letter) -> None:
        """Send one letter, or raise `NotSent`. Returning means that the other side answers for it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One file for each letter, with its id as name; sent again, it is the same file."""

    path: Path
    sender: str

    def deliver(self, letter: Letter) -> None:
        made = self.path / f".{letter.id}"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.unlink(missing_ok=True)
            made.touch(mode=0o600)
            made.write_bytes(letter.bytes_from(self.sender))
            made.rename(self.path / f"{letter.id}.eml")
        except OSError as error:
            raise Unreachable(f"The folder cannot be written to: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server (RFC 5321). TLS from the first byte, or as soon as it is offered; certificates are verified.

    A password is never sent in the clear. Each letter has a connection of its own: there are few of them.
    """

    host: str
    port: int
    sender: str
    starts_with_tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    def deliver(self, letter: Letter) -> None:
        written = letter.bytes_from(self.sender)
        with self._connected() as smtp:
            try:
                smtp.sendmail(self.sender, [letter.to], written)
            except smtplib.SMTPRecipientsRefused as error:
                raise _failure(*error.recipients[letter.to]) from error
            except smtplib.SMTPDataError as error:
                raise _failure(error.smtp_code, error.smtp_error) from error
            except smtplib.SMTPSenderRefused as error:
                # It is us whom it does not want: somebody can put that right.
                raise Unreachable(_said(error.smtp_code, error.smtp_error)) from error
            except (smtplib.SMTPException, OSError) as error:
                raise NotSent(_broke(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A connection that is ready for a letter. What goes wrong before is nothing against the letter."""
        try:
            smtp = self._greeted()
        except smtplib.SMTPResponseException as error:
            raise Unreachable(_said(error.smtp_code, error.smtp_error)) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise Unreachable(_broke(error)) from error
        try:
            yield smtp
        finally:
            # What was taken stays taken, whatever becomes of the farewell.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _greeted(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        # Our name in the greeting: to look up the machine's may take longer than all the rest.
        name = addresses.domain(self.sender)
        if self.starts_with_tls:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, local_hostname=name, timeout=SILENCE_SECONDS, context=context
            )
        else:
            smtp = smtplib.SMTP(self.host, self.port, local_hostname=name, timeout=SILENCE_SECONDS)
        try:
            self._introduce(smtp, context)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _introduce(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        smtp.ehlo_or_helo_if_needed()
        is_private = self.starts_with_tls
        if not is_private and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
            is_private = True
        if self.user:
            if not is_private:
                raise Unreachable("The server offers no TLS, and a password is not sent without.")
            smtp.login(self.user, self.password)


def read_url(url: str, sender: str) -> Transport | None:
    """The transport of a setting: `file:folder`, `smtp://user:password@host:port`, `smtps://…`; none for nothing.

    Raises `ValueError`, whose message shows no password.
    """
    if not url:
        return None
    scheme, _, rest = url.partition(":")
    if scheme == "file":
        if not rest.strip("/"):
            raise ValueError("no folder")
        return Folder(Path(unquote(rest.removeprefix("//"))).expanduser(), sender)
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("no such transport")
    return Server(
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        sender,
        starts_with_tls=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _failure(code: int, said: bytes | str) -> NotSent:
    kind = Refused if code >= _FINAL else NotSent
    return kind(_said(code, said))


def _said(code: int, said: bytes | str) -> str:
    return _plain(f"{code} {said.decode('ascii', 'replace') if isinstance(said, bytes) else said}")


def _broke(error: Exception) -> str:
    return _plain(f"{type(error).__name__}: {error}")


def _plain(told: str) -> str:
    """What a server answered, on one line, in letters that can be stored and shown."""
    return "".join(character if character.isprintable() else " " for character in told[:_SAID_LONGEST])
