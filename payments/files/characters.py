"""Text in the characters that every SEPA bank must take: what is rewritten, and what cannot be."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# EPC217-08, SEPA Requirements for an Extended Character Set: the basic set, which no bank may refuse.
_SEPA = re.compile(r"[A-Za-z0-9/?:().,'+-]+(?: [A-Za-z0-9/?:().,'+-]+)*")
_SIGNS = {
    **dict.fromkeys('’‘‚‛“”„«»‹›"`´′″', "'"),
    **dict.fromkeys("‐‑‒–—―−_~", "-"),
    **dict.fromkeys("[{<", "("),
    **dict.fromkeys("]}>", ")"),
    **dict.fromkeys("\\|⁄", "/"),
    **dict(zip("&;", "+,", strict=True)),
}


def _letters(theirs: str, latin: str) -> dict[str, str]:
    """What each letter becomes, small and large."""
    small = dict(zip(theirs, latin.split(), strict=True))
    # Not those whose capital is two letters, a plain one, or that of another.
    large = {letter.upper(): ours.capitalize() for letter, ours in small.items() if letter not in "ßıς"}
    return small | large


_TABLE = str.maketrans(
    _SIGNS
    # Letters that do not come apart into a plain one and an accent.
    | _letters("ßæœøłđðþıŋħ", "ss ae oe o l d d th i n h")
    # Cyrillic as Bulgaria writes it in passports, then the letters that only others have.
    | _letters("абвгдежзийклмнопрст", "a b v g d e zh z i y k l m n o p r s t")
    | _letters("уфхцчшщъьюя", "u f h ts ch sh sht a y yu ya")
    | _letters("ыэґіїєђјљњћџ", "y e g i i ye dj j lj nj c dz")
    # Greek, letter by letter.
    | _letters("αβγδεζηθικλμ", "a v g d e z i th i k l m")
    | _letters("νξοπρσςτυφχψω", "n x o p r s s t y f ch ps o")
)


class Reduced(NamedTuple):
    """Text in the SEPA set. lost : a letter or digit, not merely a sign, has no counterpart and became a full stop."""

    text: str
    lost: bool


def reduce(text: str, *, longest: int) -> Reduced:
    """The same text in the SEPA set, on one line, with single blanks, cut at its longest. Empty if nothing is left.

    Accents go, letters of other alphabets and signs are rewritten as above, and whatever has no counterpart becomes
    a full stop. Twins in NFC and NFD come out the same.
    """
    if len(text) <= longest and _SEPA.fullmatch(text):
        return Reduced(text, lost=False)
    # Composed first, so that letters such as й are found in the table before their accent is taken.
    known = unicodedata.normalize("NFC", text).translate(_TABLE)
    apart = unicodedata.normalize("NFKD", known).translate(_TABLE)
    written = [_write(character) for character in apart]
    plain = " ".join("".join(written).split())
    lost = any(sign == "." and unicodedata.category(c)[0] in "LN" for c, sign in zip(apart, written, strict=True))
    return Reduced(plain[:longest].rstrip(), lost)


@lru_cache(maxsize=4_096)
def _write(character: str) -> str:
    if character == " " or _SEPA.fullmatch(character):
        return character
    category = unicodedata.category(character)
    if category in {"Mn", "Me", "Cf"}:
        return ""
    return " " if category in {"Cc", "Zs", "Zl", "Zp"} else "."
