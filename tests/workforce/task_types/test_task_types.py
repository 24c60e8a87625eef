"""Types of tasks: each says what a project, a task and an answer of it are, and refuses all else with its place."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import Invalid
from quality.kinds import KINDS
from tests.workforce.task_types.kinds_of_work import ALL, EXAMPLES, Example
from workforce import task_types
from workforce.task_types.image_annotation import Shape
from workforce.task_types.task_type import Asked

each = pytest.mark.parametrize("name", ALL)


def asked(name: str, example: Example) -> Asked:
    labels, form = task_types.set_up(name, example.labels, example.form)
    return Asked(labels, form, example.params)


def test_every_type_and_every_shape_has_an_example() -> None:
    assert EXAMPLES.keys() == task_types.TYPES.keys()
    shapes = {example.form["shape"] for name, example in ALL.values() if name == "image_annotation"}
    assert shapes == {shape.value for shape in Shape}


@each
def test_an_answer_is_read_and_shown_again(name: str) -> None:
    task_type, example = ALL[name]
    where = asked(task_type, example)
    task_types.check_question(task_type, where.params)

    for payload in (example.right, example.near, example.far):
        said = task_types.read(task_type, payload, where)
        again = task_types.TYPES[task_type].shown(said, where.form)

        assert task_types.read(task_type, again, where) == said


@each
def test_what_an_answer_says_is_a_label_or_of_its_kind(name: str) -> None:
    task_type, example = ALL[name]
    where = asked(task_type, example)
    kind = task_types.TYPES[task_type].kind(where.form)

    said = task_types.read(task_type, example.right, where)

    if kind is None:
        assert said in where.labels
    else:
        written = KINDS[kind].write(KINDS[kind].read(said))
        again = task_types.TYPES[task_type].shown(written, where.form)
        assert KINDS[kind].read(task_types.read(task_type, again, where)) == KINDS[kind].read(said)


@pytest.mark.parametrize(
    ("name", "at"), [(name, at) for name, (_, example) in ALL.items() for at in range(len(example.wrong))]
)
def test_what_is_no_answer_is_refused_with_its_place(name: str, at: int) -> None:
    task_type, example = ALL[name]
    payload, pointer = example.wrong[at]

    with pytest.raises(Invalid) as refused:
        task_types.read(task_type, payload, asked(task_type, example))

    assert pointer in [error["pointer"] for error in refused.value.errors]


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if example.no_question])
def test_what_is_no_task_is_refused_with_its_place(name: str) -> None:
    for params, pointer in EXAMPLES[name].no_question:
        with pytest.raises(Invalid) as refused:
            task_types.check_question(name, params)

        assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_no_project_is_refused_with_its_place(name: str) -> None:
    for labels, form, pointer in EXAMPLES[name].no_project:
        with pytest.raises(Invalid) as refused:
            task_types.set_up(name, labels, form)

        assert [error["pointer"] for error in refused.value.errors] == [pointer]


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@each
@given(data=st.data())
def test_whatever_is_sent_is_an_answer_or_refused_below_its_payload(name: str, data: st.DataObject) -> None:
    task_type, example = ALL[name]
    where = asked(task_type, example)
    spoiled = json.loads(json.dumps(example.right))
    _spoil(spoiled, data)

    with suppress(Invalid), _below_payload():
        said = task_types.read(task_type, spoiled, where)
        assert task_types.TYPES[task_type].shown(said, where.form) is not None


@contextmanager
def _below_payload() -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        pointers = [one["pointer"] for one in error.errors]
        if not all(pointer.startswith("/payload") for pointer in pointers):
            raise AssertionError(pointers) from error
        raise


def _spoil(value: object, data: st.DataObject) -> None:
    """Put anything in the place of some part of an answer."""
    while True:
        place = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))  # type: ignore[arg-type]
        inner = value[place]  # type: ignore[index]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            value[place] = data.draw(_anything)  # type: ignore[index]
            return
        value = inner


def test_whoever_says_what_is_below_has_said_what_is_above() -> None:
    example = EXAMPLES["multilabel"]

    said = task_types.read("multilabel", {"categories": ["bird/rook"]}, asked("multilabel", example))

    assert json.loads(said) == ["bird", "bird/rook"]


def test_the_labels_of_a_comparison_go_from_one_side_to_the_other() -> None:
    labels, _ = task_types.set_up("comparison", [], {"strengths": 2})

    assert labels == ["first by 2", "first by 1", "alike", "second by 1", "second by 2"]
    assert task_types.set_up("comparison", [], {"alike": False})[0] == ["first by 1", "second by 1"]
