"""What payees are told by mail: words alone. Who is told is in `contacts.py`.

No word in them was chosen by anybody but us, beside what is shown of a destination: whoever sets somebody
else's address as their contact has nothing to say to them.
"""

from dataclasses import dataclass
from datetime import datetime

from payments.models import PayeeContact, PayoutMethod


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened, in words. about : the id of what it is about."""

    about: str
    subject: str
    body: str


# Lines that no mail program breaks.
_IF_NOT_YOU = """\
If this was you, there is nothing to do.

If it was not you, somebody else can act in your name. Freeze your pay,
and nothing is paid out until it has been looked into:

    POST /api/me/payout-method/freeze, with your token

Then tell those who run the service, by a way that you know from before;
nobody reads answers to this mail.

You get it because you are told of changes to your pay at this address,
or were within the last 72 hours.
"""


def of_method(method: PayoutMethod) -> Notice:
    """That pay is to go to another place."""
    body = (
        "From now on your pay is to go to:\n\n"
        f"    {method.rail}: {method.masked}\n"
        f"    set at {_written(method.created_at)}\n"
        f"    nothing is paid there before {_written(method.cooling_until)}\n\n"
    )
    return Notice(method.id, "The place that your pay goes to was changed", body + _IF_NOT_YOU)


def of_contact(contact: PayeeContact) -> Notice:
    """That somebody is told elsewhere of changes."""
    body = (
        "From now on you are told of changes to your pay at:\n\n"
        f"    {contact.masked}\n"
        f"    set at {_written(contact.created_at)}\n\n"
    )
    return Notice(contact.id, "The address for notices about your pay was changed", body + _IF_NOT_YOU)


# The secret stands alone on its line, to be copied whole.
_PROVE = """

To show that you read what comes here, send this back within {days} days,
with your token, as the `secret` of POST /api/me/contact/proof:

    {{secret}}
"""


def asking_for_proof(notice: Notice, *, days: int) -> Notice:
    """The same notice for the address that it is about, with a secret to be brought back."""
    return Notice(notice.about, notice.subject, notice.body + _PROVE.format(days=days))


def of_proof(contact: PayeeContact, *, days: int) -> Notice:
    """A secret to be brought back, once more."""
    opening = "This address was given as the one at which somebody is told of their pay."
    return asking_for_proof(Notice(contact.id, "Please show that this address is yours", opening), days=days)


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
