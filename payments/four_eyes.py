"""Four eyes: what one person made counts once another one has confirmed it, whatever tokens the two of them use."""

from foundation.errors import Conflict


class SamePerson(Conflict):
    """Whoever made this cannot put it into force as well."""


class AlreadyConfirmed(Conflict):
    """This was confirmed before, or needs nobody to confirm it."""


def other_person(made_by: str, actor_ref: str) -> str:
    """The subject who acts, if it is not the one who made the thing; a table's CHECK says the same once more.

    A person is a subject: a second token, or one of another role, makes nobody another person.
    """
    if actor_ref == made_by:
        raise SamePerson("You made this yourself; another person has to confirm it.")
    return actor_ref
