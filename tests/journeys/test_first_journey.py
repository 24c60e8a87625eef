"""The whole trip over HTTP: money comes in, a question goes out, people answer, an expert decides, everyone is owed."""

import csv
import hashlib
import io
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient

from tests.conftest import House

RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}, {"tier": 4, "amount": "0.60", "currency": "USD"}]
ANSWER, DECISION, FEE = Decimal("0.02"), Decimal("0.60"), Decimal("1.2")


class Party:
    """Somebody with a token."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client = client
        self.header = {"Authorization": f"Bearer {secret}"}

    def get(self, path: str) -> Any:
        response = self.client.get(path, headers=self.header)
        assert response.status_code == 200, response.text
        return response.get_json()

    def send(self, path: str, body: dict[str, Any] | None = None, *, method: str = "POST", status: int = 201) -> Any:
        options: dict[str, Any] = {} if body is None else {"json": body}
        response = self.client.open(path, method=method, headers=self.header, **options)
        assert response.status_code == status, response.text
        return response.get_json(silent=True)

    def work(self, answers: dict[str, str]) -> int:
        """Claim and answer until there is nothing; returns how many."""
        done = 0
        while True:
            response = self.client.post("/api/claims", json={}, headers=self.header)
            if response.status_code == 204:
                return done
            lease = response.get_json()
            payload = {"category": answers[lease["params"]["attachment"]]}
            self.send(f"/api/assignments/{lease['id']}/answer", {"fence": lease["fence"], "payload": payload})
            done += 1


def _worker(house: House, client: FlaskClient, ops: Party, name: str) -> tuple[str, Party]:
    applied = client.post("/api/applications", json={"name": name, "country": "KE"}).get_json()
    worker_id = applied["worker"]["id"]
    ops.send(f"/api/workers/{worker_id}/activation", status=200)
    return worker_id, Party(client, applied["token"])


def test_from_the_top_up_to_what_everybody_is_owed(house: House) -> None:
    client = house.app.test_client()
    ops, finance = Party(client, house.token("ops", "ops")), Party(client, house.token("finance", "finance"))

    # A requester pays in and sends three photographs.
    made = ops.send("/api/requesters", {"name": "Museum"})
    requester_id, requester = made["requester"]["id"], Party(client, made["token"])
    top_up = {"owner_ref": requester_id, "currency": "USD", "amount": "50", "bank_reference": "MT940/1"}
    finance.send("/api/top-ups", top_up)
    settings = {
        "overlap_min": 4, "overlap_max": 4, "confidence_target": 0.9, "expert_share": 1.0, "spot_share": 0.0,
    }  # fmt: skip
    project = requester.send("/api/projects", {"name": "birds", "labels": ["crow", "rook"], "rates": RATES, **settings})
    sent = [
        requester.send(
            "/v1/task/categorization", {"project": "birds", "attachment": photo, "unique_id": photo}, status=200
        )
        for photo in ("a", "b", "c")
    ]
    (funds,) = requester.get("/api/funds")["items"]
    worst = 3 * (4 * ANSWER + DECISION) * FEE
    assert (Decimal(funds["reserved"]), Decimal(funds["available"])) == (worst, 50 - worst)

    # Four people answer; two of them take the rook on the third photograph for a crow.
    right = {"a": "rook", "b": "crow", "c": "rook"}
    wrong = {**right, "c": "crow"}
    crowd = [_worker(house, client, ops, name) for name in ("Ada", "Bo", "Cy", "Di")]
    for (_, party), answers in zip(crowd, (wrong, wrong, right, right), strict=True):
        assert party.work(answers) == 3
    assert house.settle() == 12

    # The crowd was not sure: an expert decides, and sees nobody's name.
    (escalated,) = ops.get("/api/escalations")["items"]
    assert escalated["task_id"] == sent[2]["task_id"]
    expert_id, expert = _worker(house, client, ops, "=Eve")
    ops.send(
        f"/api/workers/{expert_id}/tiers/image.categorization", {"tier": 4, "reason": "exam"}, method="PUT", status=200
    )
    lease = expert.send("/api/claims", {"kind": "adjudication"})
    dossier = expert.get(f"/api/assignments/{lease['id']}/dossier")
    assert sorted(answer["category"] for answer in dossier["answers"]) == ["crow", "crow", "rook", "rook"]
    assert not any(worker_id in str(dossier) for worker_id, _ in crowd)
    body = {"fence": lease["fence"], "payload": {"category": "rook"}}
    expert.send(f"/api/assignments/{lease['id']}/answer", body)
    # The decision, and that she was moved.
    assert house.settle() == 2
    assert house.settle() == 0

    # The requester has three labels, paid for the work and has the rest back.
    spent = (12 * ANSWER + DECISION) * FEE
    results = {task["unique_id"]: task for task in requester.get(f"/api/projects/{project['id']}/tasks")["items"]}
    assert {photo: ["crow", "rook"][task["label"]] for photo, task in results.items()} == right
    assert {photo: task["settled_by"] for photo, task in results.items()} == {
        "a": "consensus", "b": "consensus", "c": "expert",
    }  # fmt: skip
    assert requester.get(f"/v1/task/{sent[2]['task_id']}")["response"]["category"] == "rook"
    progress = requester.get(f"/api/projects/{project['id']}/progress")
    assert (progress["answers"], progress["adjudications"], Decimal(progress["spent"])) == (12, 1, spent)
    (funds,) = requester.get("/api/funds")["items"]
    assert Decimal(funds["available"]) == 50 - spent
    assert Decimal(funds["reserved"]) == 0

    # Everybody is owed what they earned, outvoted or not.
    owed = {}
    for worker_id, party in [*crowd, (expert_id, expert)]:
        statement = party.get("/api/me/statement")
        owed[statement["payee_id"]] = Decimal(statement["totals"][0]["due"])
        assert {row["status"] for row in party.get("/api/me/earnings")["items"]} == {"due"}
        assert {row["status"] for row in party.get("/api/me/answers")["items"]} == {"accepted"}
        assert party.get("/api/me/assignments")["items"] == []
        assert party.get("/api/me")["worker"]["id"] == worker_id
    assert sorted(owed.values()) == [3 * ANSWER] * 4 + [DECISION]

    # Finance sees the same in a file and in the books.
    file = client.get("/api/payables.csv", headers=finance.header)
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert {row["payee_id"]: Decimal(row["amount_due"]) for row in rows} == owed
    assert sorted(row["name"] for row in rows) == ["'=Eve", "Ada", "Bo", "Cy", "Di"]
    assert file.headers["Rookery-Sha256"] == hashlib.sha256(file.data).hexdigest()
    trial = {row["role"]: row for row in finance.get("/api/trial-balance")["items"]}
    net = {role: Decimal(row["credits"]) - Decimal(row["debits"]) for role, row in trial.items()}
    assert sum(net.values()) == 0
    assert net["bank"] == -50
    assert net["payable"] == sum(owed.values())
    assert net["reserve"] == 0
    assert net["platform_fee"] == spent - sum(owed.values())
    (tied,) = finance.get("/api/tie-out")["items"]
    assert Decimal(tied["payable"]) == Decimal(tied["unpaid"]) == sum(owed.values())
    assert tied["stored"] == tied["recomputed"]
    kinds = [entry["kind"] for entry in finance.get("/api/journal")["items"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {"top_up": 1, "reserve": 3, "earning": 13, "release": 2}

    # Ops sees who is how reliable: who saw the rook stands above those who took it for a crow.
    rows = ops.get(f"/api/projects/{project['id']}/reliability")["items"]
    shares = {row["voter_id"]: row["reliability"] for row in rows}
    mistaken, seeing = ([shares[worker_id] for worker_id, _ in some] for some in (crowd[:2], crowd[2:]))
    assert max(mistaken) < min(seeing)
    assert ops.get("/api/escalations")["items"] == []
    assert len(ops.get("/api/workers?status=active")["items"]) == 5
    assert [row["name"] for row in ops.get("/api/requesters")["items"]] == ["Museum"]
