"""Four eyes: what one person has made takes effect when another has looked at it. A person is whoever a token is of."""

from foundation.errors import Conflict


class SamePerson(Conflict):
    """Another person has to do this."""


class AlreadyConfirmed(Conflict):
    """This was confirmed before, or needs nobody to confirm it."""


def other_person(made_by: str, actor_ref: str) -> None:
    """Refuse whoever has made it themselves, with whatever token. Raises `SamePerson`."""
    if made_by == actor_ref:
        raise SamePerson("Who has made this cannot confirm it; ask somebody else.")
