"""What was withheld from pay, for every export that shows it: the one place that says where it is kept."""

# The amount is in ledger units of the currency that is paid.
ROWS = "SELECT payout_id, authority, amount FROM withholdings"


def of_payout(payout_id: str, exponent: str) -> str:
    """SQL of one row: `amount`, all that was withheld from a payout, and `authorities`, who has how much of it."""
    return _summed(ROWS, f"payout_id = {payout_id}", exponent)


def of_entry(entry_id: str, answer_ref: str, exponent: str) -> str:
    """SQL of the same of an entry that took tax of the earning for an answer when it became due."""
    return _summed(
        "SELECT a.entry_id, e.answer_ref, a.authority, a.amount FROM accrued_taxes a"
        " JOIN earnings e ON e.id = a.earning_id",
        f"answer_ref = {answer_ref} AND entry_id = {entry_id}",
        exponent,
    )


def _summed(rows: str, condition: str, exponent: str) -> str:
    return f"""
        (SELECT coalesce(sum(amount), 0) AS amount,
                coalesce(string_agg(authority || ' ' || {decimal("amount", exponent)}, ', ' ORDER BY authority), '')
                    AS authorities
           FROM ({rows}) AS kept WHERE {condition})
    """


# By payee, currency and month of the payee's calendar.
ACCRUED = """
    SELECT m.payee_id, m.currency, m.month, t.authority, sum(m.taken) AS amount
      FROM accrued_months m JOIN tax_rules t ON t.id = m.rule_id
     WHERE m.month >= CAST(:first_month AS date) AND m.month < CAST(:next_year AS date) AND m.taken > 0
     GROUP BY m.payee_id, m.currency, m.month, t.authority
"""


def decimal(units: str, exponent: str) -> str:
    """SQL for ledger units as a decimal string with all decimals of the exponent."""
    return f"CAST(round(CAST({units} AS numeric) / 10::numeric ^ {exponent}, {exponent}) AS text)"
