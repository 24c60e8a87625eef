"""What `make soak` does for an hour, in short."""

import os
from collections.abc import Iterator

import pytest

from foundation import embedded
from tests.conftest import travelling_house
from tests.payments import owed
from tests.payments.books_model import Model
from tests.payments.soak import beside_model, together


@pytest.fixture
def url(engines: embedded.Engines, worker_name: str) -> Iterator[str]:
    with travelling_house(engines, f"soak_{worker_name}_{os.getpid()}") as login:
        yield login


def test_every_check_holds_at_every_moment_while_several_are_at_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    together.soak(url, seed=5, n_events=120, n_people=3)

    assert "120 events by several at once" in capsys.readouterr().out


def test_committed_operations_agree_with_the_model(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    beside_model.soak(url, seed=5, n_operations=300, n_payees=4)

    assert "every balance is what they come to" in capsys.readouterr().out


def test_a_soak_ends_where_the_books_are_not_what_the_model_says(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "pay_in", lambda model, _: owed.pay_in(model.db, 1))

    with pytest.raises(AssertionError):
        beside_model.soak(url, seed=5, n_operations=300, n_payees=4)
