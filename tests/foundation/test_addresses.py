"""E-mail addresses: plain ones alone, so that one is never two and ends no line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import addresses
from foundation.addresses import AddressMalformed


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.O'Neil+pay@Example.COM", "Ada.O'Neil+pay@example.com"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_a_plain_address_is_read_and_its_domain_written_small(typed: str, read: str) -> None:
    assert addresses.parse(typed) == read
    assert addresses.parse(read) == read


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "ada@example..com",
        ".ada@example.com", "ada.@example.com", "ada ben@example.com", "ada@exam ple.com", "ada@-example.com",
        "ada@example.com\r\nBcc: eve@example.com", "ada\r\n@example.com", "ada@example.com\n", "ada@example.com\x00",
        "ada@example.com,eve@example.com", "<ada@example.com>", "Ada <ada@example.com>", '"ada"@example.com',
        "ada@[127.0.0.1]", "ada(comment)@example.com", "ada%example.com@example.org", "=ada@example.com",
        "-oQ/tmp@example.com", "ada@bücher.example", "adа@example.com", "ada@example.com ",
        f"{'a' * 65}@example.com", f"ada@{'a' * 64}.com", f"ada@{'a.' * 125}com",
    ],
)  # fmt: skip
def test_whatever_is_more_than_a_plain_address_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(AddressMalformed) as refused:
        addresses.parse(typed)

    assert typed == "" or typed not in refused.value.detail.replace("you@example.com", "")


@given(st.text(max_size=300))
def test_what_is_read_has_one_at_sign_and_nothing_that_ends_a_line_or_a_word(typed: str) -> None:
    try:
        read = addresses.parse(typed)
    except AddressMalformed:
        return

    assert read.count("@") == 1
    assert read.isascii()
    assert read.isprintable()
    assert not set(read) & set(' <>,;:"()[]\\%')


def test_a_mask_shows_one_letter_and_the_domain() -> None:
    assert addresses.mask("ada@example.com") == "a***@example.com"
