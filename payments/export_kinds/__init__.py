"""Everything that can be exported, by name: a kind is its parameters, the statement that draws it, and its formats."""

from payments.export_kinds import books, owed, people
from payments.export_kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        owed.PAYABLES,
        owed.EARNINGS,
        owed.PAYOUTS,
        owed.LEFT_OUT,
        books.JOURNAL,
        books.TRIAL_BALANCE,
        people.PAYEE_STATEMENT,
        people.TAX_YEAR,
        people.TAX_CERTIFICATE,
        people.INVOICE,
    )
}
