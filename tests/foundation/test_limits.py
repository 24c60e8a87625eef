"""Rate limits: who counts as whom, what a window allows, and what happens without Redis."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy.orm import Session, sessionmaker

import wsgi
from foundation import app, commands, http, settings
from foundation.limits import CountingUnavailable, Limit, LimitReached, Limits, address_key

_NOBODY_HOME = "unix:///nowhere/redis.sock"
_DAY = 86_400
_APPLICATION = {"name": "Ada", "country": "KE"}


def _limit(name: str, amount: int, **options: Any) -> Limit:
    # A day long, so that no window ends within a test; named anew in each run, since Redis remembers.
    return Limit(f"{name} {time.time_ns()}", amount, _DAY, **options)


def _taken(limits: Limits, limit: Limit, caller: str, times: int) -> int:
    """How many of so many requests are let through."""
    passed = 0
    for _ in range(times):
        try:
            limits.take(limit, caller)
        except LimitReached:
            continue
        passed += 1
    return passed


def test_a_caller_gets_the_amount_and_no_more(redis_url: str) -> None:
    limits, limit = Limits(redis_url), _limit("some", 3)

    assert _taken(limits, limit, "ada", 5) == 3
    assert _taken(limits, limit, "bo", 2) == 2


def test_all_processes_count_together_in_redis(redis_url: str) -> None:
    one, other, limit = Limits(redis_url, processes=2), Limits(redis_url, processes=2), _limit("shared", 10)

    assert _taken(one, limit, "ada", 7) + _taken(other, limit, "ada", 7) == 10


def test_without_redis_each_process_allows_its_share() -> None:
    one, other, limit = Limits(processes=2), Limits(processes=2), _limit("shares", 10)

    assert (_taken(one, limit, "ada", 20), _taken(other, limit, "ada", 20)) == (5, 5)


def test_a_redis_that_is_away_is_not_waited_for() -> None:
    limits, limit = Limits(_NOBODY_HOME, processes=2), _limit("away", 4)

    started = time.monotonic()
    passed = _taken(limits, limit, "ada", 50)

    assert passed == 2
    assert time.monotonic() - started < 1.0


def test_a_strict_limit_refuses_while_its_redis_is_away_and_counts_where_there_is_none() -> None:
    strict = _limit("strict", 2, strict=True)

    with pytest.raises(CountingUnavailable) as refused:
        Limits(_NOBODY_HOME).take(strict, "ada")

    assert refused.value.headers == {"Retry-After": "2"}
    assert _taken(Limits(), strict, "ada", 5) == 2


def test_redis_counts_again_after_it_was_emptied(redis_url: str) -> None:
    limits, limit = Limits(redis_url), _limit("emptied", 2)
    assert _taken(limits, limit, "ada", 2) == 2

    with Redis.from_url(redis_url) as redis:
        redis.script_flush()
        redis.delete(*redis.keys("LIMITS*"))

    assert _taken(limits, limit, "ada", 5) == 2


def test_a_connection_that_was_lost_is_made_anew_at_once(redis_url: str) -> None:
    limits, limit = Limits(redis_url, processes=2), _limit("lost", 10)
    assert _taken(limits, limit, "ada", 3) == 3

    with Redis.from_url(redis_url) as redis:
        ours = str(redis.connection_pool.connection_kwargs.get("db", 0))
        for client in redis.client_list():
            if client["db"] == ours and client["id"] != str(redis.client_id()):
                redis.client_kill_filter(_id=client["id"])

    # Seven are left of the ten; a process that counted by itself would allow five.
    assert _taken(limits, limit, "ada", 20) == 7


def test_counts_go_by_themselves_some_time_after_their_window(redis_url: str) -> None:
    limits, limit = Limits(redis_url), Limit(f"kept {time.time_ns()}", 10)
    limits.take(limit, "ada")
    limits.take(limit, "ada")

    with Redis.from_url(redis_url) as redis:
        kept = [redis.ttl(key) for key in redis.keys(f"LIMITS:{limit.name}*")]

    assert len(kept) == 1
    assert 60 < kept[0] <= 120


def test_a_window_ends_by_itself() -> None:
    limits, limit = Limits(), Limit("short", 1, 1)
    time.sleep(1 - time.time() % 1)
    first = limits.take(limit, "ada")
    with pytest.raises(LimitReached) as refused:
        limits.take(limit, "ada")

    time.sleep(int(refused.value.headers["Retry-After"]))

    assert (first.left, limits.take(limit, "ada").left) == (0, 0)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        (None, "unknown"),
        ("", "unknown"),
        ("@", "unknown"),
    ],
)
def test_an_address_counts_as_its_network(address: str | None, key: str) -> None:
    assert address_key(address) == key


@pytest.fixture
def limited(sessions: sessionmaker[Session]) -> Callable[..., FlaskClient]:
    """A client of the whole application with other amounts."""

    def make(**amounts: int) -> FlaskClient:
        house = http.House(sessions, lambda: None, Limits(amounts=amounts))
        return app.build_app(house, wsgi.program.routes, version="0").test_client()

    return make


def test_a_token_has_the_limit_of_its_role(limited: Callable[..., FlaskClient], token: Callable[..., str]) -> None:
    client = limited(worker=2, ops=3)
    worker = {"Authorization": f"Bearer {token('worker')}"}
    ops = {"Authorization": f"Bearer {token('ops')}"}

    answers = [client.get("/api/me", headers=worker) for _ in range(3)]
    others = [client.get("/api/workers", headers=ops).status_code for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert others == [200, 200, 200, 429]
    assert client.get("/api/me", headers={"Authorization": f"Bearer {token('worker')}"}).status_code == 200


def test_a_limited_answer_says_where_the_caller_stands(
    limited: Callable[..., FlaskClient], token: Callable[..., str]
) -> None:
    client, headers = limited(worker=2), {"Authorization": f"Bearer {token('worker')}"}

    first, _, refused = (client.get("/api/me", headers=headers) for _ in range(3))

    assert first.headers["RateLimit-Policy"] == '"worker";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"worker";r=1;t=')
    assert refused.headers["RateLimit"].startswith('"worker";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.get_json()["type"] == "/problems/limit-reached"
    assert refused.content_type == "application/problem+json"


def test_strangers_share_the_limit_of_their_address(limited: Callable[..., FlaskClient]) -> None:
    client = limited(strangers=4)

    applied = [client.post("/api/applications", json=_APPLICATION).status_code for _ in range(2)]
    guessed = [client.get("/api/me", headers={"Authorization": f"Bearer rk_{n}"}).status_code for n in range(2)]
    nothing = client.get("/api/me")
    elsewhere = client.get("/api/me", environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert (applied, guessed, nothing.status_code, elsewhere.status_code) == ([201, 201], [401, 401], 429, 401)


def test_who_has_a_good_token_is_not_held_to_a_stranger_at_the_same_address(
    limited: Callable[..., FlaskClient], token: Callable[..., str]
) -> None:
    client = limited(strangers=1)
    assert [client.get("/api/me").status_code for _ in range(2)] == [401, 429]

    assert client.get("/api/me", headers={"Authorization": f"Bearer {token('worker')}"}).status_code == 200


def test_applications_have_a_quota_for_each_address(limited: Callable[..., FlaskClient]) -> None:
    client = limited(applications=2)

    answers = [client.post("/api/applications", json=_APPLICATION) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[0].headers.getlist("RateLimit-Policy") == ['"strangers";q=120;w=60', '"applications";q=2;w=86400']


def test_health_is_never_limited(limited: Callable[..., FlaskClient]) -> None:
    client = limited(strangers=1)

    assert [client.get("/health").status_code for _ in range(5)] == [200] * 5


def test_an_amount_for_a_limit_that_there_is_not_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_LIMITS", "woker=5")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")

    with pytest.raises(settings.SettingsError, match="not woker"):
        commands._require_known_limits(wsgi.program, settings.read())


def test_projects_have_a_quota_for_each_requester_whichever_surface_they_come_by(
    limited: Callable[..., FlaskClient], token: Callable[..., str]
) -> None:
    client = limited(projects=2)
    rates = [{"tier": 0, "amount": "0.02", "currency": "USD"}]
    project = {"labels": ["crow", "rook"], "rates": rates, "expert_share": 0}
    scale = {"type": "categorization", "params": {"categories": ["crow", "rook"], "rates": rates, "expert_share": 0}}

    def send(secret: str, name: str) -> list[int]:
        headers = {"Authorization": f"Bearer {secret}"}
        answers = [
            client.post("/api/projects", json={**project, "name": f"{name} 1"}, headers=headers),
            client.post("/v1/projects", json={**scale, "name": f"{name} 2"}, headers=headers),
            client.post("/v1/projects", json={**scale, "name": f"{name} 3"}, headers=headers),
        ]
        return [answer.status_code for answer in answers]

    assert send(token("requester"), "one") == [201, 200, 429]
    assert send(token("requester"), "other") == [201, 200, 429]
