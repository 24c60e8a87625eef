"""A year of one worker's life over HTTP: an exam failed and passed, the way up, a wrong way down put right, and leave.

Where the day is another one the database's clock has been moved; what pays out stands in for finance, who has a journey
of its own.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from foundation import embedded, jobs
from tests import travel
from tests.conftest import House, Urls, a_house, travelling_house
from tests.journeys.test_first_journey import Party
from tests.payments import owed

SKILL = "image.categorization"
# By tier; an expert who answers beside the crowd is paid as a senior.
AMOUNTS = ("0.02", "0.02", "0.03", "0.04", "0.60")
RATES = [{"tier": tier, "amount": amount, "currency": "USD"} for tier, amount in enumerate(AMOUNTS)]
# As the shipped ladder, with less evidence for each step.
STEPS: list[dict[str, Any]] = [
    {"name": "candidate", "evidence": 1},
    {"name": "novice", "evidence": 10, "reach": 0.3, "keep": 0.3, "cool_down_days": 7},
    {"name": "regular", "evidence": 10, "reach": 0.5, "keep": 0.45, "cool_down_days": 1, "decay_days": 365},
    {"name": "senior", "evidence": 10, "reach": 0.6, "keep": 0.6, "cool_down_days": 7, "decay_days": 180},
    {"name": "expert", "evidence": 10, "reach": 0.8, "keep": 0.8, "cool_down_days": 14, "decay_days": 180},
]
QUICK = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0, "spot_share": 0.0}


class Year:
    """The house, and everybody who has a part in the year."""

    def __init__(self, house: House) -> None:
        self.house, self.client = house, house.app.test_client()
        self.olga, self.omar = self._party("ops", "olga"), self._party("ops", "omar")
        made = self.olga.send("/api/requesters", {"name": "Museum"})
        self.requester = Party(self.client, made["token"])
        money = {"owner_ref": made["requester"]["id"], "currency": "USD", "amount": "500", "bank_reference": "MT940/1"}
        self._party("finance", "fatma").send("/api/top-ups", money)
        applied = self.client.post("/api/applications", json={"name": "Wanjiru", "country": "KE"}).get_json()
        self.id, self.worker = applied["worker"]["id"], Party(self.client, applied["token"])

    def _party(self, role: str, name: str) -> Party:
        return Party(self.client, self.house.token(role, name))

    def pass_by(self, days: int) -> None:
        with self.house.sessions() as db:
            travel.move(db, timedelta(days=days))
            db.commit()
        self.catch_up()

    def catch_up(self) -> None:
        """All that the jobs process would do in a while."""
        for _ in range(3):
            self.house.settle()
            jobs.sweep(self.house.background)
            jobs.work(self.house.background)
        self.house.settle()

    @property
    def tier(self) -> int:
        return int(next(one["tier"] for one in self.worker.get("/api/me/tiers")["items"] if one["skill"] == SKILL))

    @property
    def last_move(self) -> Any:
        return self.worker.get("/api/me/tier-moves")["items"][0]

    def answer(self, project_id: str, category: str = "rook") -> bool:
        """Claim a task of a project and answer it; whether there was one."""
        response = self.client.post("/api/claims", json={"project_id": project_id}, headers=self.worker.header)
        if response.status_code == 204:
            return False
        lease = response.get_json()
        body = {"fence": lease["fence"], "payload": {"category": category}}
        self.worker.send(f"/api/assignments/{lease['id']}/answer", body)
        return True

    def work_until(self, tier: int, project_id: str) -> None:
        for _ in range(40):
            for _ in range(4):
                assert self.answer(project_id), self.worker.get("/api/me/why-nothing")
            self.catch_up()
            if self.tier == tier:
                return
        raise AssertionError(self.worker.get("/api/me/tier-moves"))

    def send_tasks(self, project_id: str, count: int) -> None:
        for number in range(count):
            self.requester.send(
                f"/api/projects/{project_id}/tasks", {"attachment": f"https://example.com/{number}.jpg"}
            )

    def send_gold(self, project_id: str, category: str, count: int) -> list[str]:
        body = {"params": {"attachment": "https://example.com/gold.jpg"}, "category": category, "exposures_max": 3}
        return [self.requester.send(f"/api/projects/{project_id}/gold", body)["task_id"] for _ in range(count)]

    def correct(self, **wanted: Any) -> Any:
        """One of ops proposes what puts something right, and another one applies what they have looked at."""
        shown = self.olga.send("/api/corrections", {"reason": "It is a rook.", **wanted})
        made = shown["correction"]
        seen = {"content_hash": made["content_hash"]}
        self.olga.send(f"/api/corrections/{made['id']}/application", seen, status=409)
        return self.omar.send(f"/api/corrections/{made['id']}/application", seen, status=200)


@pytest.fixture
def year(engines: embedded.Engines, worker_name: str) -> Iterator[Year]:
    with (
        travelling_house(engines, f"year_{worker_name}_{os.getpid()}") as url,
        a_house(Urls(url, url)) as house,
        travel.ids_following(house.engine),
    ):
        yield Year(house)


def test_a_year_of_a_worker(year: Year) -> None:
    _is_let_in(year)
    _fails_and_passes_the_exam(year)
    project = _climbs_to_expert(year)
    _is_wrongly_demoted_and_put_right(year, project)
    _appeals(year)
    _takes_leave(year, project)
    _takes_all_along_and_is_forgotten(year)


def _is_let_in(year: Year) -> None:
    made = year.olga.send(f"/api/ladders/{SKILL}/versions", {"reason": "Less evidence.", "steps": STEPS})
    year.olga.send(f"/api/ladder-versions/{made['id']}/approval", status=409)
    year.omar.send(f"/api/ladder-versions/{made['id']}/approval", status=200)
    year.olga.send(f"/api/workers/{year.id}/activation", status=200)
    first = {"tier": 0, "reason": "Pass the exam first."}
    year.olga.send(f"/api/workers/{year.id}/tiers/{SKILL}", first, method="PUT", status=200)
    year.worker.send("/api/me/profile", {"device_class": "phone", "payout_region": "KE"}, method="PUT", status=200)
    year.catch_up()


def _fails_and_passes_the_exam(year: Year) -> None:
    terms = {"questions": 3, "right_needed": 2, "cool_down_days": 7, "attempts_max": 3, "seconds": 600}
    pay = [{"tier": 0, "amount": "0.05", "currency": "USD"}]
    exam = year.requester.send(
        "/api/exams",
        {"name": "Birds", "purpose": "exam", "labels": ["crow", "rook"], "skill": SKILL, "rates": pay, **terms},
    )["project_id"]
    for _ in range(4):
        question = {
            "params": {"attachment": "https://example.com/q.jpg"},
            "category": "rook",
            "explanation": "A bare bill.",
        }
        year.requester.send(f"/api/exams/{exam}/questions", question)
    year.olga.send(f"/api/exams/{exam}/qualification", {"qualifies": True}, status=200)

    assert _sit(year, exam, "crow") == "failed"
    again = year.worker.send(f"/api/exams/{exam}/attempts", status=409)
    assert again["type"] == "/problems/too-soon-again"
    year.pass_by(days=8)
    assert _sit(year, exam, "rook") == "passed"

    year.catch_up()
    assert (year.tier, year.last_move["cause"]) == (1, "exam")
    paid = [one for one in year.worker.get("/api/me/earnings")["items"] if one["amount"] == "0.0500"]
    assert len(paid) == 2


def _sit(year: Year, exam: str, category: str) -> Any:
    attempt = year.worker.send(f"/api/exams/{exam}/attempts")["id"]
    marked: Any = None
    for _ in range(3):
        question = year.worker.get(f"/api/attempts/{attempt}/question")
        body = {"place": question["place"], "payload": {"category": category}}
        marked = year.worker.send(f"/api/attempts/{attempt}/answers", body)
        assert (marked["is_right"], marked["explanation"]) == (None, None)
    return marked["attempt"]["state"]


def _climbs_to_expert(year: Year) -> str:
    settings = {"labels": ["crow", "rook"], "skill": SKILL, "gold_share": 0.5, "tier_min": 1, **QUICK}
    project = str(year.requester.send("/api/projects", {"name": "Winter birds", "rates": RATES, **settings})["id"])
    year.send_gold(project, "rook", 70)
    year.send_tasks(project, 300)

    for tier, days in ((2, 2), (3, 8), (4, 15)):
        year.pass_by(days=days)
        year.work_until(tier, project)
        assert year.last_move["cause"] == "promotion"
        assert year.last_move["low"] >= STEPS[tier]["reach"]
    return project


def _is_wrongly_demoted_and_put_right(year: Year, project: str) -> None:
    """Somebody takes rooks for crows when they make gold."""
    golds = f"/api/projects/{project}/gold"
    for good in year.requester.get(f"{golds}?limit=100")["items"]:
        if good["status"] == "active":
            year.requester.send(f"{golds}/{good['task_id']}/retirement", {"reason": "Enough of it."}, status=200)
    bad = year.send_gold(project, "crow", 60)
    year.work_until(2, project)
    assert year.last_move["cause"] == "demotion"
    before = _earned(year)
    for _ in range(10):
        year.answer(project)
    year.catch_up()
    assert _earned(year) - before == 10 * Decimal(AMOUNTS[2])

    money = [
        line
        for gold in year.requester.get(f"{golds}?limit=100")["items"]
        if gold["task_id"] in bad and gold["exposures"]
        for line in year.correct(kind="gold", task_id=gold["task_id"], category="rook")["money"]
    ]
    year.catch_up()

    assert (year.tier, year.last_move["cause"]) == (4, "correction")
    # Made up for by the house, as if she had been a senior all along.
    assert {line["paid_by"] for line in money} == {"house"}
    lacking = sum(Decimal(line["amount"]) for line in money)
    assert lacking >= 10 * (Decimal(AMOUNTS[3]) - Decimal(AMOUNTS[2]))
    assert _earned(year) - before == 10 * Decimal(AMOUNTS[2]) + lacking


def _earned(year: Year) -> Decimal:
    """All that was ever earned, as she reads it."""
    path, total = "/api/me/earnings?limit=100", Decimal(0)
    while True:
        page = year.worker.get(path)
        total += sum(Decimal(one["amount"]) for one in page["items"])
        if page["next_cursor"] is None:
            return total
        path = f"/api/me/earnings?limit=100&cursor={page['next_cursor']}"


def _appeals(year: Year) -> None:
    settings = {"labels": ["crow", "rook"], "skill": SKILL, "acceptance": "by_requester", **QUICK}
    project = year.requester.send("/api/projects", {"name": "Spring birds", "rates": RATES, **settings})["id"]
    year.send_tasks(project, 1)
    assert year.answer(project)
    year.catch_up()
    (review,) = year.requester.get(f"/api/projects/{project}/reviews")["items"]
    path = f"/api/projects/{project}/reviews/{review['answer_id']}/rejection"
    year.requester.send(path, {"reason": "copied", "evidence": "It is as somebody else's."}, status=200)
    year.worker.send(f"/api/answers/{review['answer_id']}/appeal", {"grounds": "I looked at it."})
    (appeal,) = year.olga.get("/api/appeals?state=open")["items"]

    year.correct(kind="appeal", appeal_id=appeal["id"])
    year.catch_up()

    (mine,) = year.worker.get("/api/me/appeals")["items"]
    assert mine["state"] == "upheld"
    earning = next(
        one for one in year.worker.get("/api/me/earnings")["items"] if one["answer_ref"] == review["answer_id"]
    )
    assert earning["status"] == "due"


def _takes_leave(year: Year, project: str) -> None:
    moved = year.worker.send("/api/me/profile", {"payout_region": "UG"}, method="PUT", status=200)
    assert moved["payout_region"] == "UG"
    year.pass_by(days=190)
    assert (year.tier, year.last_move["cause"]) == (3, "decay")
    # Gold is paid with the task that comes after it.
    for _ in range(2):
        assert year.answer(project)
    year.catch_up()
    assert year.tier == 3


def _takes_all_along_and_is_forgotten(year: Year) -> None:
    method = {"rail": "paypal", "kind": "email", "destination": {"email": "wanjiru@example.com"}}
    year.worker.send("/api/me/payout-method", method, method="PUT", status=200)
    asked = year.worker.send("/api/me/erasure")
    year.olga.send(f"/api/erasures/{asked['id']}/confirmation", status=409)
    year.pass_by(days=4)
    with year.house.sessions() as db:
        owed.levy(db)
        owed.pay_out(db)
        db.commit()
    taken = year.client.get("/api/me/export", headers=year.worker.header)
    assert (taken.status_code, "Wanjiru" in taken.text) == (200, True)

    year.olga.send(f"/api/erasures/{asked['id']}/confirmation", status=200)

    assert year.client.get("/api/me", headers=year.worker.header).status_code == 401
    with year.house.sessions() as db:
        kept = db.execute(text("SELECT count(*) FROM answers WHERE worker_id = :id"), {"id": year.id}).scalar_one()
        assert kept > 100
        assert db.execute(text("SELECT name FROM workers WHERE id = :id"), {"id": year.id}).scalar_one() != "Wanjiru"
