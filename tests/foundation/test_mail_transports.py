"""How mail leaves: over SMTP as servers really are, and as files."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import mail_transports
from foundation.mail_transports import Letter, NotSent, Refused, Unreachable
from tests.foundation import post_office
from tests.foundation.post_office import PASSWORD, USER, PostOffice

FROM = "rookery@example.org"
LETTER = Letter(
    "mal_1", "ada@example.com", "A subject", "A line.\n\n.\n.. and dots\n", datetime(2026, 1, 2, tzinfo=UTC)
)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """A server that takes everything, until the test says otherwise. Who waits for it does not do so for long."""
    monkeypatch.setattr(mail_transports, "SILENCE_SECONDS", 0.5)
    with post_office.opened(PostOffice()) as office:
        yield office


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return post_office.make_certificate(tmp_path)


def _deliver(url: str, letter: Letter = LETTER) -> None:
    transport = mail_transports.read_url(url, FROM)
    assert transport is not None
    transport.deliver(letter)


def test_a_letter_arrives_as_it_was_written(office: PostOffice) -> None:
    _deliver(office.url)

    [got] = office.received
    assert (got.sender, got.to) == (FROM, ("ada@example.com",))
    assert (got.letter["From"], got.letter["To"], got.letter["Subject"]) == (FROM, "ada@example.com", "A subject")
    assert got.letter["Message-ID"] == "<mal_1@example.org>"
    assert got.letter["Auto-Submitted"] == "auto-generated"
    assert got.letter.get_content_type() == "text/plain"
    assert got.letter.get_content().replace("\r\n", "\n") == LETTER.body


@given(
    subject=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=200),
    body=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\n"), max_size=500),
)
def test_no_subject_and_no_body_adds_a_header_or_a_long_line(subject: str, body: str) -> None:
    raw = Letter("mal_1", "ada@example.com", subject, body, LETTER.written_at).bytes_from(FROM)

    read = message_from_bytes(raw, policy=policy.default)
    assert sorted(read.keys()) == [
        "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
        "Subject", "To",
    ]  # fmt: skip
    assert raw.isascii()
    assert not re.search(rb"[^\r]\n|\r[^\n]", raw)
    assert max(map(len, raw.split(b"\r\n"))) < 998
    assert raw == Letter("mal_1", "ada@example.com", subject, body, LETTER.written_at).bytes_from(FROM)


@pytest.mark.parametrize("subject", ["A\r\nBcc: eve@example.com", "A\nB", "A\r\n\r\nbody"])
def test_a_subject_of_two_lines_is_never_written(subject: str) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        Letter("mal_1", "ada@example.com", subject, "", LETTER.written_at).bytes_from(FROM)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"refuses": {"ada@example.com": "450 4.2.1 Later"}}, NotSent, "450 4.2.1 Later"),
        ({"refuses": {"ada@example.com": "550 5.1.1 Nobody"}}, Refused, "550 5.1.1 Nobody"),
        ({"answers": {"DATA": "451 4.3.0 Later"}}, NotSent, "451 4.3.0 Later"),
        ({"answers": {".": "452 4.3.1 Full"}}, NotSent, "452 4.3.1 Full"),
        ({"answers": {".": "554 5.7.1 Spam"}}, Refused, "554 5.7.1 Spam"),
        ({"answers": {"MAIL": "550 5.7.1 Not from you"}}, Unreachable, "550 5.7.1 Not from you"),
        ({"answers": {"MAIL": "421 4.3.2 Closing"}}, Unreachable, "421 4.3.2 Closing"),
        ({"dies_at": "greeting"}, Unreachable, "SMTPServerDisconnected"),
        ({"dies_at": "RCPT"}, NotSent, "SMTPServerDisconnected"),
        ({"dies_at": "."}, NotSent, "SMTPServerDisconnected"),
        ({"silent_at": "greeting"}, Unreachable, "timed out"),
        ({"silent_at": "EHLO"}, Unreachable, "timed out"),
        ({"silent_at": "."}, NotSent, "timed out"),
    ],
    ids=str,
)
def test_each_way_to_fail_is_told_from_the_others(
    office: PostOffice, changes: dict[str, object], kind: type[NotSent], said: str
) -> None:
    for name, value in changes.items():
        setattr(office, name, value)
    started = time.monotonic()

    with pytest.raises(NotSent, match=said) as failed:
        _deliver(office.url)

    assert type(failed.value) is kind
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("host", ["127.0.0.1:1", f"{'a' * 70}.example.org"])
def test_a_server_that_is_not_there_is_unreachable(host: str) -> None:
    with pytest.raises(Unreachable):
        _deliver(f"smtp://{host}")


def test_what_was_taken_stays_taken_if_the_farewell_fails(office: PostOffice) -> None:
    office.dies_at = "QUIT"

    _deliver(office.url)

    assert len(office.received) == 1


def test_tls_is_used_where_it_is_offered_and_the_password_goes_through_it_alone(
    office: PostOffice, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    login = f"{USER}:{quote(PASSWORD, safe='')}"
    with pytest.raises(Unreachable, match="password is not sent"):
        _deliver(f"smtp://{login}@127.0.0.1:{office.port}")
    office.certificate = certificate

    _deliver(f"smtp://{login}@127.0.0.1:{office.port}")
    _deliver(office.url)

    assert [(got.private, got.logged_in) for got in office.received] == [(True, True), (True, False)]
    with pytest.raises(Unreachable, match="535"):
        _deliver(f"smtp://{USER}:wrong@127.0.0.1:{office.port}")


def test_tls_from_the_first_byte(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with post_office.opened(PostOffice(certificate, starts_with_tls=True)) as office:
        _deliver(office.url.replace("smtp:", "smtps:"))

        assert [got.private for got in office.received] == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_vouches_for_gets_no_letter(certificate: Path, scheme: str) -> None:
    with post_office.opened(PostOffice(certificate, starts_with_tls=scheme == "smtps")) as office:
        with pytest.raises(Unreachable, match="SSLCertVerificationError"):
            _deliver(office.url.replace("smtp:", f"{scheme}:"))

        assert office.received == []


def test_a_file_for_each_letter_for_its_owner_alone_and_the_same_when_sent_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mails of the house"

    for _ in range(2):
        _deliver(f"file:{quote(str(folder))}")

    [file] = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == ("mal_1.eml", 0o600, 0o700)
    assert file.read_bytes() == LETTER.bytes_from(FROM)


def test_a_folder_that_cannot_be_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Unreachable, match="cannot be written"):
        _deliver(f"file:{tmp_path}/file")


def test_no_representation_shows_a_password_or_what_is_in_a_letter() -> None:
    shown = repr(mail_transports.read_url("smtp://house:hunter2@mail.example.org", FROM)) + repr(LETTER)

    assert not re.search("hunter2|ada@|A subject|A line", shown)
