"""Text in ASCII, for formats that know nothing else, with a list of what had to change."""

import unicodedata
from dataclasses import dataclass, field

# More changes than anybody reads are only counted.
CHANGES_KEPT = 100
# Letters that are no letter with a mark, so that decomposition leaves them, and marks of writing.
_ASCII = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
        "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng",
        "Ŋ": "NG", "‘": "'", "’": "'", "ʼ": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-",
        "‐": "-", "‑": "-", "−": "-", "…": "...", "\t": " ", "\n": " ", "\r": " ",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A text that is not in the file as it came. order : its place from 0; None for the batch."""

    order: int | None
    field: str
    before: str
    after: str


@dataclass(slots=True)
class Changes:
    """How many texts were changed, and the first of them."""

    count: int = 0
    first: list[Change] = field(default_factory=list)

    def note(self, order: int | None, name: str, before: str, after: str) -> str:
        """The text as it goes into the file; noted if it is another than before."""
        if after != before:
            self.count += 1
            if len(self.first) < CHANGES_KEPT:
                self.first.append(Change(order, name, before, after))
        return after


def to_ascii(text: str) -> str:
    """Printable ASCII: letters without their marks, no blanks in a row. What has no such form, such as 李, is left out.

    Repeating it changes nothing.
    """
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII)).translate(_ASCII)
    return " ".join("".join(char for char in plain if " " <= char <= "~").split())
