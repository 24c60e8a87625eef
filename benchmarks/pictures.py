"""The pictures in docs/quality.md, drawn as SVG from recorded crowds: `python -m benchmarks pictures --data FOLDER`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import crowds
from benchmarks.crowds import Crowd
from quality.aggregation import METHODS
from quality.methods import intervals
from quality.methods.scores import Bin, calibration, score
from quality.methods.votes import UNKNOWN, FloatArray

_FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
_SHOWN = {"majority": "#9aa5b1", "dawid-skene": "#e39b5f", "hierarchical": "#2f6f9f"}
_ROW, _LEFT, _SCALE = 15, 130, 420
_SIDE, _TOP = 300, 24
# Fewer tasks than this tell nothing of a share.
_BIN_MIN = 10
_STYLE = 'font-family="sans-serif" font-size="12" fill="#333"'


def run(data: Path | None) -> None:
    """Draw both pictures anew; without a folder of crowds they would show bluebird alone, so nothing is drawn."""
    if data is None:
        print("Pictures: left out; they need DATA=folder of crowd data sets")
        return
    read = list(crowds.read(data))
    believed = {name: [METHODS[name](crowd.votes).posterior for crowd in read] for name in _SHOWN}
    _FOLDER.mkdir(exist_ok=True)
    for name, drawn in (("right.svg", _right(read, believed)), ("sure.svg", _sure(read, believed))):
        (_FOLDER / name).write_text(drawn)
        print(f"Pictures: docs/pictures/{name}")


def _right(read: Sequence[Crowd], believed: dict[str, list[FloatArray]]) -> str:
    """Share right on every crowd, a bar for each method, from one half on."""
    height = len(read) * (len(_SHOWN) * _ROW + 8)
    parts = []
    for number, crowd in enumerate(read):
        top = number * (len(_SHOWN) * _ROW + 8)
        parts.append(_text(_LEFT - 8, top + 1.5 * _ROW + 4, crowd.name, anchor="end"))
        for row, (name, color) in enumerate(_SHOWN.items()):
            found = score(believed[name][number], crowd.truth)
            assert found is not None
            width = max(found.accuracy - 0.5, 0.0) * 2 * _SCALE
            parts.append(
                f'<rect x="{_LEFT}" y="{top + row * _ROW}" width="{width:.1f}" height="{_ROW - 2}" fill="{color}"/>'
            )
            parts.append(_text(_LEFT + width + 5, top + row * _ROW + 11, f"{found.accuracy:.3f}"))
    return _svg(_LEFT + _SCALE + 60, height + 40, [*parts, *_legend(_LEFT, height + 22)])


def _sure(read: Sequence[Crowd], believed: dict[str, list[FloatArray]]) -> str:
    """Share right beside confidence, over all crowds together; on the diagonal they are the same."""
    parts = [
        f'<rect x="50" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#bbb"/>',
        f'<line x1="50" y1="{_TOP + _SIDE}" x2="{50 + _SIDE}" y2="{_TOP}" stroke="#bbb" stroke-dasharray="4"/>',
        _text(50 + _SIDE / 2, _TOP + _SIDE + 32, "confidence", anchor="middle"),
        _text(50, _TOP - 8, "share right"),
    ]
    for tick in (0.0, 0.5, 1.0):
        parts += [_text(50 + tick * _SIDE, _TOP + _SIDE + 15, f"{tick:g}", anchor="middle")]
        parts += [_text(44, _TOP + 4 + (1 - tick) * _SIDE, f"{tick:g}", anchor="end")]
    for name, color in _SHOWN.items():
        parts += _curve(_pooled(read, believed[name]), color)
    return _svg(_SIDE + 100, _TOP + _SIDE + 70, [*parts, *_legend(50, _TOP + _SIDE + 56)])


def _curve(bins: Sequence[Bin], color: str) -> list[str]:
    """A line through bins, with the exact 90 % interval of each share."""
    n_tasks = np.array([one.n_tasks for one in bins], dtype=np.float64)
    low, high = intervals.binomial(np.array([one.right for one in bins]) * n_tasks, n_tasks)
    at = [50 + one.confidence * _SIDE for one in bins]
    right, least, most = (
        [_TOP + (1 - share) * _SIDE for share in shares] for shares in ([one.right for one in bins], low, high)
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(at, right, strict=True))
    parts = [f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>']
    for x, y, bottom, top in zip(at, right, least, most, strict=True):
        parts.append(f'<line x1="{x:.1f}" y1="{bottom:.1f}" x2="{x:.1f}" y2="{top:.1f}" stroke="{color}"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
    return parts


def _pooled(read: Sequence[Crowd], believed: Sequence[FloatArray]) -> list[Bin]:
    """Bins of confidence over all crowds, each of which counts the same for its first two hundred tasks."""
    rows, truths = [], []
    n_classes = max(one.shape[1] for one in believed)
    for crowd, one in zip(read, believed, strict=True):
        known = np.flatnonzero(crowd.truth != UNKNOWN)[:200]
        rows.append(np.pad(one[known], ((0, 0), (0, n_classes - one.shape[1]))))
        truths.append(crowd.truth[known])
    return [one for one in calibration(np.vstack(rows), np.concatenate(truths)) if one.n_tasks >= _BIN_MIN]


def _legend(x: float, y: float) -> list[str]:
    parts = []
    for number, (name, color) in enumerate(_SHOWN.items()):
        at = x + number * 115
        parts += [f'<rect x="{at}" y="{y - 10}" width="10" height="10" fill="{color}"/>', _text(at + 15, y, name)]
    return parts


def _text(x: float, y: float, words: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_STYLE}>{words}</text>'


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{inside}\n</svg>\n'
    )
