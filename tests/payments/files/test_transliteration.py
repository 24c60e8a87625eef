"""Names in ASCII."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files.transliteration import Changes, to_ascii


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Søren Ærøskøbing", "Soren AEroskobing"),
        ("Nguyễn Thị Minh", "Nguyen Thi Minh"),
        ("José\u00a0\u2019\tx", "Jose ' x"),
        ("Jose\u0301", "Jose"),
        ("Ａｄａ ﬁ", "Ada fi"),
        ("a\x00b\x7fc", "abc"),
        ("  a \n b  ", "a b"),
        ("李", ""),
        ("مرحبا", ""),
    ],
)
def test_a_text_is_written_with_the_letters_that_ascii_has(text: str, written: str) -> None:
    assert to_ascii(text) == written


@given(st.text())
def test_what_comes_out_is_printable_and_stays_as_it_is(text: str) -> None:
    written = to_ascii(text)

    assert all(" " <= char <= "~" for char in written)
    assert to_ascii(written) == written


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_ascii_is_not_touched(text: str) -> None:
    assert to_ascii(text) == text


def test_only_changes_are_noted() -> None:
    changes = Changes()

    changes.note(0, "name", "Ada", "Ada")
    changes.note(1, "name", "Zoë", "Zoe")

    assert changes.count == 1
    assert changes.first[0].order == 1
