"""Tokens and the calling actor. Every route declares its policy; each package declares its roles. No Flask here.

A token is 256 random bits behind a visible prefix, which tells a test token from a live one, with a checksum so that a
scanner (and we) can tell a mistyped one without asking a table. Only its SHA-256 is stored; it is looked up on every
request, so a revocation acts on the next one.
"""

import base64
import hashlib
import secrets
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ARRAY, DateTime, Index, LargeBinary, Text, exists, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from foundation import ids, worlds
from foundation.db import Base, Created, Id, IdText, Ref
from foundation.errors import Conflict, Forbidden, NotFound, Unauthorized
from foundation.limits import Limit
from foundation.worlds import World

# The alphabet of what follows has no "_", and the checksum is of all: no token of one world can be one of the other.
_PREFIXES = {World.LIVE: "rk_", World.TEST: "rk_test_"}
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 62^43 > 2^256
_CHECKSUM_LENGTH = 6  # 62^6 > 2^32

roles: dict[str, "Role"] = {}


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of caller and all scopes it can ever have; a token may carry fewer.

    views : scopes that a token has only if it is said, each for what it may look at: where nothing is changed, it
    stands for these. `find` raises `NotFound` for a subject that does not exist; staff are in no table, so their roles
    have none.
    """

    name: str
    scopes: frozenset[str]
    find: Callable[[Session, str], object] | None = None
    requests_a_minute: int = 1_200
    views: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        roles[self.name] = self

    @property
    def is_staff(self) -> bool:
        """Whether what this role changes goes on the trail."""
        return self.find is None

    def seen_with(self, scopes: frozenset[str]) -> frozenset[str]:
        """All scopes that a token with these stands for where nothing is changed."""
        return scopes.union(*(self.views[scope] for scope in scopes & self.views.keys()))

    @property
    def limit(self) -> Limit:
        """How often each token of this role may call."""
        return Limit(self.name, self.requests_a_minute)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a route: everybody if it is public, else whoever has any of the scopes; in one world, or in both."""

    scopes: frozenset[str] = frozenset()
    public: bool = False
    world: World | None = None

    def permits(self, actor: "Actor") -> bool:
        return not self.scopes.isdisjoint(actor.scopes)


PUBLIC = Policy(public=True)


def allow(*scopes: str, world: World | None = None) -> Policy:
    """The policy of a route that needs at least one of these scopes, and one of the two worlds if it is said."""
    return Policy(scopes=frozenset(scopes), world=world)


ADMIN = Role("admin", frozenset({"admin", "audit", "metrics"}))
AUDITOR = Role("auditor", frozenset({"audit"}))
MONITOR = Role("monitor", frozenset({"metrics"}))


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever is calling now: which token, for whom, with which scopes, and who of a subject's people it is."""

    token_id: str
    subject_id: str
    role: str
    scopes: frozenset[str]
    person_ref: str | None = None

    @property
    def person(self) -> str:
        """Whom two acts are told apart by: the member of a team, or the subject itself."""
        return self.person_ref or self.subject_id


NOBODY = Actor(token_id="", subject_id="anonymous", role="", scopes=frozenset())


class Token(Base):
    """What a program authenticates with. The secret itself is nowhere."""

    __tablename__ = "tokens"

    id: Mapped[Id]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    role: Mapped[str]
    subject_id: Mapped[Ref]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # Who of the subject's people uses it, where there are several.
    person_ref: Mapped[str | None] = mapped_column(IdText)
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(None, "subject_id"),
        Index("ix_tokens_person_ref", "person_ref", postgresql_where=text("person_ref IS NOT NULL")),
    )


class TokenRequired(Unauthorized):
    """A token is needed."""


class TokenRefused(Unauthorized):
    """This token is not valid."""


class TokenEnded(Conflict):
    """The token has ended."""


class ScopeMissing(Forbidden):
    """The token lacks the scope for this."""


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="rookery"'}

# `stale` keeps the time of last use to the hour without a write on every request.
AUTHENTICATE = text("""
    SELECT id, subject_id, role, scopes, person_ref,
           last_used_at IS NULL OR last_used_at < now() - interval '1 hour' AS stale
      FROM tokens
     WHERE secret_hash = :secret_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
""")
# The row stays locked until the request ends: whoever finds it locked leaves the touch to the other one.
_TOUCH = text("""
    UPDATE tokens SET last_used_at = now()
     WHERE id IN (SELECT id FROM tokens WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED)
""")


def authenticate(db: Session, authorization: str | None) -> Actor:
    """The actor behind an Authorization header: `Bearer <token>`, or `Basic` with the token as user."""
    if not authorization:
        raise TokenRequired("Send your token as 'Authorization: Bearer rk_...'.", headers=_CHALLENGE)
    secret = _secret(authorization)
    if not is_well_formed(secret):
        raise TokenRefused("The token is mistyped or cut off.", headers=_CHALLENGE)
    row = db.execute(AUTHENTICATE, {"secret_hash": _hash(secret)}).one_or_none()
    if row is None or row.role not in roles:
        _log_dead(db, secret)
        raise TokenRefused("The token is unknown, expired or revoked.", headers=_CHALLENGE)
    if row.stale:
        db.execute(_TOUCH, {"id": row.id})
    return Actor(row.id, row.subject_id, row.role, frozenset(row.scopes), row.person_ref)


def world_of(authorization: str | None) -> World:
    """The world that an Authorization header, whoever's it is, is for."""
    return _world(_secret(authorization or ""))


def _world(secret: str) -> World:
    return World.TEST if secret.startswith(_PREFIXES[World.TEST]) else World.LIVE


def _log_dead(db: Session, secret: str) -> None:
    # Whoever looks into a wave of refusals wants to know which token it was; the caller is told nothing more.
    token_id = db.scalar(select(Token.id).where(Token.secret_hash == _hash(secret)))
    if token_id is not None:
        structlog.contextvars.bind_contextvars(token_id=token_id)


def is_staff(actor: Actor) -> bool:
    """Whether an actor's role is one whose changes go on the trail."""
    return actor.role in roles and roles[actor.role].is_staff


def require(actor: Actor, policy: Policy, *, changes: bool = True) -> None:
    """Refuse an actor whom the route's policy does not permit. changes : whether the route may change anything."""
    if not changes:
        actor = replace(actor, scopes=roles[actor.role].seen_with(actor.scopes))
    if not policy.permits(actor):
        raise ScopeMissing(f"This needs a token with the scope {' or '.join(sorted(policy.scopes))}.")


def issue(
    db: Session,
    *,
    role: str,
    subject_id: str,
    name: str = "",
    scopes: Sequence[str] | None = None,
    days: int | None = None,
    person_ref: str | None = None,
) -> tuple[Token, str]:
    """A new token and its secret, which is shown once and never stored."""
    granted = sorted(scopes if scopes is not None else roles[role].scopes)
    if foreign := set(granted) - roles[role].scopes - roles[role].views.keys():
        raise ScopeMissing(f"The role {role} never has the scope {', '.join(sorted(foreign))}.")
    if roles[role].is_staff:
        worlds.require(db, World.LIVE)
    if (find := roles[role].find) is not None:
        find(db, subject_id)
    secret = _new_secret(worlds.of(db))
    token = Token(
        id=ids.new("tok"),
        secret_hash=_hash(secret),
        role=role,
        subject_id=subject_id,
        name=name,
        scopes=granted,
        person_ref=person_ref,
        expires_at=None if days is None else db.scalar(select(func.now() + timedelta(days=days))),
    )
    db.add(token)
    db.flush()
    return token, secret


def revoke(db: Session, token_id: str) -> Token:
    """End a token; it is refused from the next request on. Revoking twice keeps the first time."""
    token = db.get(Token, token_id, with_for_update=True)
    if token is None:
        raise NotFound("There is no such token.")
    if token.revoked_at is None:
        token.revoked_at = db.scalar(select(func.now()))
        db.flush()
    return token


def rotate(db: Session, token_id: str) -> tuple[Token, str]:
    """A new token with the rights and the end of an old one, which is revoked. Only a living one has a successor."""
    old = db.get(Token, token_id, with_for_update=True)
    if old is not None and old.revoked_at is not None:
        raise TokenEnded("This token was revoked; issue a new one.")
    old = revoke(db, token_id)
    new, secret = issue(db, role=old.role, subject_id=old.subject_id, name=old.name, scopes=old.scopes)
    new.expires_at = old.expires_at
    new.person_ref = old.person_ref
    db.flush()
    return new, secret


def revoke_all(db: Session, subject_ids: Collection[str]) -> None:
    """End all tokens of these subjects."""
    theirs = update(Token).where(Token.subject_id.in_(subject_ids), Token.revoked_at.is_(None))
    db.execute(theirs.values(revoked_at=func.now()).execution_options(synchronize_session=False))


def is_known(db: Session, subject_id: str) -> bool:
    """Whether anybody ever had a token under this name; it is theirs for good."""
    return bool(db.scalar(select(exists().where(Token.subject_id == subject_id))))


def is_staff_name(db: Session, subject_id: str) -> bool:
    """Whether somebody of the staff is, or was, called so."""
    staff = [name for name, role in roles.items() if role.is_staff]
    return bool(db.scalar(select(exists().where(Token.subject_id == subject_id, Token.role.in_(staff)))))


def narrow(db: Session, person_ref: str, scopes: Collection[str]) -> None:
    """Let all living tokens of one of a subject's people carry just these scopes from now on; none revokes them."""
    for token in db.scalars(select(Token).where(Token.person_ref == person_ref, Token.revoked_at.is_(None))):
        token.scopes = sorted(scopes)
        if not scopes:
            revoke(db, token.id)
    db.flush()


def is_well_formed(secret: str) -> bool:
    """Whether a string has a token's shape and its checksum fits."""
    prefix = _PREFIXES[_world(secret)]
    if len(secret) != len(prefix) + _SECRET_LENGTH + _CHECKSUM_LENGTH or not secret.isascii():
        return False
    return secret.startswith(prefix) and secret[-_CHECKSUM_LENGTH:] == _checksum(secret[:-_CHECKSUM_LENGTH])


def _new_secret(world: World = World.LIVE) -> str:
    body = _PREFIXES[world] + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return body + _checksum(body)


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits: a slow password hash would add nothing but load.
    return hashlib.sha256(secret.encode()).digest()


def _secret(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""
