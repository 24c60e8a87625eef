"""Reading a bank's XML as a stream: element by element, within bounds, without entities, document types or network."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO

from lxml import etree

# What may stand between two of the elements that a reader wants, or in one of them; a transfer has about 2 kB.
ELEMENT_MAX = 2**20
_DOCTYPE = b"<!DOCTYPE"
# Nothing is fetched, expanded or defaulted; lxml's own limits on depth and text stay on. Comments go, because a comment
# within an amount would break it in two. ISO 20022 is UTF-8, whatever the first line claims.
_CAUTIOUS = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "huge_tree": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "remove_comments": True,
    "remove_pis": True,
}


class Unreadable(Exception):
    """A file is not what it should be. line : from 1, as near as the parser can say; None where there is none."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason, self.line = reason, line


def walk(file: BinaryIO, messages: re.Pattern[str], paths: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """The elements at these paths of an ISO 20022 document, as ("start" or "end", path, element) in the file's order.

    messages : what the namespace may say, such as camt.053.001.08. paths : local names from the document's child on. At
    "start" what stands before the element can be taken with `before`; at "end" the element is whole, and it is
    forgotten, with all before it, when the next is asked for.
    """
    source = _Source(file)
    wanted = ["{*}Document", *(f"{{*}}{path.rpartition('/')[2]}" for path in paths)]
    events = etree.iterparse(source, events=("start", "end"), tag=wanted, **_CAUTIOUS)
    known: dict[str, str] = {}
    try:
        for event, element in events:
            if not known:
                namespace = _check_root(element.getroottree().getroot(), messages)
                known = {_qualified(namespace, f"Document/{path}"): path for path in paths}
            path = known.get("/".join(reversed([element.tag, *(each.tag for each in element.iterancestors())])))
            if path is not None:
                yield event, path, element
                if event == "end":
                    _forget(element)
                    source.mark()
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"Is not well-formed: {str(error.msg)[:200]}.", error.lineno or None) from error
    if not known:
        _check_root(events.root, messages)


class _Source:
    """Bytes for the parser, as long as something comes of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size, self._marked, self._lines, self._tail = file, 0, 0, 1, b""

    def mark(self) -> None:
        """Something came of what was read so far."""
        self._marked = self._size

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._size += len(chunk)
        seen = self._tail + chunk
        if _DOCTYPE in seen:
            raise Unreadable("Has a document type, which no bank sends.", self._lines)
        if self._size - self._marked > ELEMENT_MAX:
            raise Unreadable(
                f"More than {ELEMENT_MAX} bytes in one element, or of nothing that is wanted.", self._lines
            )
        self._tail = seen[1 - len(_DOCTYPE) :]
        self._lines += chunk.count(b"\n")
        return chunk


def _check_root(root: Any, messages: re.Pattern[str]) -> str:
    """The namespace of the document."""
    # Not by lxml's QName, which some namespaces that a file may claim make fail.
    space, _, name = root.tag.rpartition("}")
    prefix, _, message = space.rpartition(":")
    if name != "Document" or prefix != "{urn:iso:std:iso:20022:tech:xsd" or not messages.fullmatch(message):
        raise Unreadable(f"Is no document of this kind but {root.tag[:200]}.", root.sourceline)
    return str(space[1:])


def _forget(element: Any) -> None:
    element.clear()
    for each in (element, *element.iterancestors()):
        parent = each.getparent()
        while parent is not None and each.getprevious() is not None:
            del parent[0]


def before(element: Any) -> Any:
    """What stands before an element in its parent, taken out of there and put together.

    The parser runs ahead of the walk by whatever fits into its buffer, so the parent may have more already.
    """
    parent = element.getparent()
    head = etree.Element(parent.tag)
    # lxml knows higher lines, but can set none.
    head.sourceline = min(parent.sourceline, 65_535)
    head.extend(parent[: parent.index(element)])
    return head


def line_of(element: Any) -> int:
    """Where an element stands. What `before` put together stands where its first element does."""
    return int((element[0] if len(element) else element).sourceline)


def values(element: Any, path: str, *, longest: int) -> list[str]:
    """The texts of all elements at a path of local names, without blanks around them; empty ones are left out."""
    return [text for each in _all(element, path) if (text := _text(each, path, longest))]


def elements(element: Any, path: str) -> list[Any]:
    """All elements at a path of local names."""
    return _all(element, path)


def only(element: Any, path: str) -> Any:
    """The element at a path where the schema has one at most; None if it is missing."""
    found = _all(element, path)
    if len(found) > 1:
        raise Unreadable(f"{path} comes more than once.", found[1].sourceline)
    return found[0] if found else None


def value(element: Any, path: str, *, longest: int = 35) -> str | None:
    """The text at a path where the schema has one element at most; None if it is missing or empty."""
    found = only(element, path)
    return None if found is None else _text(found, path, longest) or None


def required(element: Any, path: str, *, longest: int = 35) -> str:
    """As `value`, where there must be one."""
    found = value(element, path, longest=longest)
    if found is None:
        raise Unreadable(f"{path} is missing.", line_of(element))
    return found


def _text(element: Any, path: str, longest: int) -> str:
    text = (element.text or "").strip()
    if len(element):
        raise Unreadable(f"{path} must be text and has elements.", element.sourceline)
    if len(text) > longest:
        raise Unreadable(f"{path} is longer than {longest} characters.", element.sourceline)
    return text


def _all(element: Any, path: str) -> list[Any]:
    found: list[Any] = element.findall(_qualified(element.tag[1:].partition("}")[0], path))
    return found


@lru_cache(maxsize=256)
def _qualified(namespace: str, path: str) -> str:
    return "/".join(f"{{{namespace}}}{name}" for name in path.split("/"))
