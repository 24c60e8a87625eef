"""Which text a spreadsheet would run instead of showing it (OWASP, CSV injection), and how to take its power away."""

import unicodedata

_STARTS = ("=", "+", "-", "@")
_BREAKS = ("\t", "\r", "\n")
# Without a width, so that what stands behind them seems to come first.
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


def runs(text: str) -> bool:
    """Whether the text begins as a formula does: after any blanks with = + - or @, full-width and small forms too, or
    with a tab, CR or LF among these blanks.
    """
    # Nearly all text there is.
    if text[:1].isascii() and text[:1].isalnum():
        return False
    shown = text.lstrip()
    while shown and shown[0] in _UNSEEN:
        shown = shown.lstrip(_UNSEEN).lstrip()
    blanks = text[: len(text) - len(shown)]
    return any(char in _BREAKS for char in blanks) or unicodedata.normalize("NFKC", shown[:1]).startswith(_STARTS)


def quoted(text: str) -> str:
    """The text with a quote before it if it would run. This changes data: for people with spreadsheets alone."""
    return "'" + text if runs(text) else text
