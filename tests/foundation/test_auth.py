"""Tokens, scopes, and who is refused how."""

import base64
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

import wsgi
from foundation import auth
from foundation.errors import NotFound
from foundation.worlds import World
from tests import factories
from tests.conftest import House

_UNKNOWN = auth._new_secret()


def test_a_token_shows_what_it_is_and_carries_256_random_bits() -> None:
    secret = auth._new_secret()

    assert secret.startswith("rk_")
    assert len(auth._ALPHABET) ** auth._SECRET_LENGTH >= 2**256
    assert auth.is_well_formed(secret)


def test_any_single_mistyped_character_is_seen_without_asking_a_table() -> None:
    secret = auth._new_secret()

    mistyped = [
        secret[:place] + ("a" if secret[place] != "a" else "b") + secret[place + 1 :] for place in range(len(secret))
    ]

    assert not any(auth.is_well_formed(wrong) for wrong in mistyped)


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "0", lambda s: s.upper(), lambda s: s[3:]])
def test_a_token_of_another_length_or_case_is_not_well_formed(change: Callable[[str], str]) -> None:
    assert not auth.is_well_formed(change(auth._new_secret()))


def test_only_the_hash_of_a_token_is_stored(db: Session, token: Callable[..., str]) -> None:
    secret = token("ops")

    tables = db.scalars(text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")).all()
    rows = [row for table in tables for row in db.scalars(text(f'SELECT t::text FROM "{table}" t'))]

    found = [row for row in rows if secret in row or secret[3:] in row or secret.encode().hex() in row]
    assert rows
    assert found == []


def test_a_valid_token_is_its_subject_in_the_role_and_scopes_it_was_issued_for(db: Session) -> None:
    requester = factories.create_requester(db)
    issued, secret = auth.issue(db, role="requester", subject_id=requester.id, scopes=["funds"])

    actor = auth.authenticate(db, f"Bearer {secret}")

    assert actor == auth.Actor(issued.id, requester.id, "requester", frozenset({"funds"}))


@pytest.mark.parametrize(
    ("role", "subject"), [("requester", "ghost"), ("requester", "a worker"), ("worker", "a requester"), ("worker", "")]
)
def test_no_token_is_issued_for_somebody_who_does_not_exist_in_the_role(db: Session, role: str, subject: str) -> None:
    ids = {"a worker": factories.create_worker(db).id, "a requester": factories.create_requester(db).id}

    with pytest.raises(NotFound, match=role):
        auth.issue(db, role=role, subject_id=ids.get(subject, subject))


@pytest.mark.parametrize("role", ["admin", "ops", "finance"])
def test_staff_are_whoever_the_operator_says(db: Session, role: str) -> None:
    assert auth.issue(db, role=role, subject_id="Ada from the second floor")[0].role == role


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER   {}", "Bearer {}  "])
def test_a_bearer_token_is_taken_in_any_case_and_spacing(
    client: FlaskClient, token: Callable[..., str], header: str
) -> None:
    answer = client.get("/api/workers", headers={"Authorization": header.format(token("ops"))})

    assert answer.status_code == 200


@pytest.mark.parametrize("user", ["{}:", "{}", "{}:some password"])
def test_basic_carries_the_token_as_the_user(client: FlaskClient, token: Callable[..., str], user: str) -> None:
    answer = client.get("/api/workers", headers={"Authorization": _basic(user.format(token("ops")))})

    assert answer.status_code == 200


REFUSED = {
    "no header": None,
    "empty header": "",
    "scheme alone": "Bearer",
    "scheme and space": "Bearer ",
    "no scheme": _UNKNOWN,
    "another scheme": f"Token {_UNKNOWN}",
    "digest": f"Digest username={_UNKNOWN}",
    "unknown": f"Bearer {_UNKNOWN}",
    "unknown in basic": _basic(_UNKNOWN + ":"),
    "mistyped": f"Bearer {_UNKNOWN[:-1]}{'0' if _UNKNOWN[-1] != '0' else '1'}",
    "one more character": f"Bearer {_UNKNOWN}0",
    "cut off": f"Bearer {_UNKNOWN[:20]}",
    "1 MB": "Bearer rk_" + "a" * 1_000_000,
    "two tokens": f"Bearer {_UNKNOWN} {_UNKNOWN}",
    "a JWT without a signature": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcHMifQ.",
    "not ASCII": f"Bearer {_UNKNOWN[:-1]}é",
    "other digits": f"Bearer {_UNKNOWN[:-1]}１".encode().decode("latin-1"),
    "basic that is not base64": "Basic !!!",
    "basic that is not UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:").decode(),
    "basic without a user": _basic(":" + _UNKNOWN),
    "quotes": "Bearer ' OR 1=1 --",
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_whoever_has_no_valid_token_gets_401_and_is_told_how_to_send_one(
    client: FlaskClient, header: str | None
) -> None:
    answer = client.get("/api/workers", headers={} if header is None else {"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rookery"'
    assert answer.json is not None
    assert answer.json["type"] == ("/problems/token-refused" if header else "/problems/token-required")


def test_a_401_never_repeats_the_token(client: FlaskClient) -> None:
    answer = client.get("/api/workers", headers={"Authorization": f"Bearer {_UNKNOWN}"})

    assert _UNKNOWN[3:12] not in answer.text


def test_a_token_in_the_query_is_not_a_token(client: FlaskClient, token: Callable[..., str]) -> None:
    answer = client.get(f"/api/workers?token={token('ops')}&access_token={token('ops')}")

    assert answer.status_code == 401


def test_an_expired_token_is_refused(client: FlaskClient, db: Session) -> None:
    issued, secret = auth.issue(db, role="ops", subject_id="ada", days=1)
    before = client.get("/api/workers", auth=(secret, ""))

    db.execute(text("UPDATE tokens SET expires_at = now() WHERE id = :id"), {"id": issued.id})

    assert before.status_code == 200
    assert client.get("/api/workers", auth=(secret, "")).status_code == 401


def test_a_revocation_acts_on_the_next_request(client: FlaskClient, db: Session) -> None:
    issued, secret = auth.issue(db, role="ops", subject_id="ada")
    before = client.get("/api/workers", auth=(secret, ""))

    auth.revoke(db, issued.id)

    assert before.status_code == 200
    assert client.get("/api/workers", auth=(secret, "")).status_code == 401


def test_revoking_again_keeps_the_first_time(db: Session) -> None:
    issued, _ = auth.issue(db, role="ops", subject_id="ada")
    auth.revoke(db, issued.id)
    moved = text("UPDATE tokens SET revoked_at = '2020-01-01T00:00:00Z' WHERE id = :id RETURNING revoked_at")
    first = db.scalar(moved, {"id": issued.id})
    db.expire_all()

    assert auth.revoke(db, issued.id).revoked_at == first


def test_an_unknown_token_cannot_be_revoked(db: Session) -> None:
    with pytest.raises(NotFound):
        auth.revoke(db, "tok_nobody")


def test_a_rotated_token_is_replaced_by_one_with_the_same_rights_and_end(client: FlaskClient, db: Session) -> None:
    owner = factories.create_requester(db).id
    old, old_secret = auth.issue(db, role="requester", subject_id=owner, name="ci", scopes=["funds"], days=7)

    new, secret = auth.rotate(db, old.id)

    assert (new.subject_id, new.role, new.name, new.scopes) == (owner, "requester", "ci", ["funds"])
    assert new.expires_at == old.expires_at
    assert client.get("/api/funds", auth=(old_secret, "")).status_code == 401
    assert client.get("/api/funds", auth=(secret, "")).status_code == 200


def test_a_role_without_the_routes_scope_is_forbidden_and_told_which_it_needs(
    client: FlaskClient, token: Callable[..., str]
) -> None:
    answer = client.get("/api/trial-balance", auth=(token("ops"), ""))

    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["type"] == "/problems/scope-missing"
    assert "finance" in answer.json["detail"]


def test_a_token_with_fewer_scopes_than_its_role_may_do_less(client: FlaskClient, db: Session) -> None:
    requester = factories.create_requester(db)
    _, secret = auth.issue(db, role="requester", subject_id=requester.id, scopes=["funds"])

    assert client.get("/api/funds", auth=(secret, "")).status_code == 200
    assert client.get("/api/projects", auth=(secret, "")).status_code == 403


def test_a_token_without_scopes_may_do_nothing(client: FlaskClient, db: Session) -> None:
    _, secret = auth.issue(db, role="ops", subject_id="ada", scopes=[])

    assert client.get("/api/workers", auth=(secret, "")).status_code == 403


def test_one_of_several_scopes_is_enough() -> None:
    policy = auth.allow("ops", "finance")
    actor = auth.Actor("tok_1", "ada", "finance", frozenset({"finance"}))

    auth.require(actor, policy)

    with pytest.raises(auth.ScopeMissing):
        auth.require(auth.NOBODY, policy)


def test_no_token_gets_a_scope_that_its_role_never_has(db: Session) -> None:
    with pytest.raises(auth.ScopeMissing):
        auth.issue(db, role="worker", subject_id="wrk_1", scopes=["work", "finance"])


def test_the_time_of_last_use_is_kept_to_the_hour(client: FlaskClient, db: Session) -> None:
    issued, secret = auth.issue(db, role="ops", subject_id="ada")
    used = text("SELECT last_used_at FROM tokens WHERE id = :id")

    client.get("/api/workers", auth=(secret, ""))
    first = db.scalar(used, {"id": issued.id})
    db.execute(text("UPDATE tokens SET last_used_at = now() - interval '59 minutes' WHERE id = :id"), {"id": issued.id})
    client.get("/api/workers", auth=(secret, ""))
    within = db.scalar(used, {"id": issued.id})
    db.execute(text("UPDATE tokens SET last_used_at = now() - interval '61 minutes' WHERE id = :id"), {"id": issued.id})
    client.get("/api/workers", auth=(secret, ""))

    assert first is not None
    assert within < first
    assert db.scalar(used, {"id": issued.id}) == first


def test_a_slow_request_holds_up_no_other_of_its_token(house: House) -> None:
    header = f"Bearer {house.token('ops', 'ada')}"

    with house.sessions() as slow, house.sessions() as quick:
        auth.authenticate(slow, header)
        quick.execute(text("SET LOCAL lock_timeout = '100ms'"))
        auth.authenticate(quick, header)
        quick.commit()
        slow.commit()

    with house.sessions() as db:
        assert db.scalar(text("SELECT last_used_at FROM tokens")) is not None


# Every route and every role: what the route declares is what happens.
ROUTES = [(route.method, route.path, route.policy) for group in wsgi.program.routes for route in group.routes]


@pytest.mark.parametrize(("method", "path", "policy"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
def test_a_route_lets_in_exactly_those_whom_its_policy_names(
    client: FlaskClient, token: Callable[..., str], method: str, path: str, policy: auth.Policy
) -> None:
    address = path.replace("<path:", "<").replace("<", "x").replace(">", "")

    statuses = {role: client.open(address, method=method, auth=(token(role), "")).status_code for role in auth.roles}

    refused = {role for role, status in statuses.items() if status == 403 and not _domain_says_no(address, role)}
    # None of these tokens is of the test world.
    elsewhere = policy.world is World.TEST
    expected = {role for role in auth.roles if elsewhere or policy.scopes.isdisjoint(auth.roles[role].scopes)}
    assert refused == (set() if policy.public else expected)
    assert (client.open(address, method=method).status_code == 401) == (not policy.public)


def _domain_says_no(address: str, role: str) -> bool:
    # A worker's token of no worker: the policy lets it in, and then the claim itself refuses.
    return address == "/api/claims" and role == "worker"
