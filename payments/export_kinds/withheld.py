"""What was withheld from payouts, for every export that shows it: the one place that says where it is kept."""

# payout_id, authority, and the amount in ledger units of the currency that was earned. Nothing is withheld yet: when
# it is, this is a SELECT of the table that says so, and all exports follow.
ROWS = """
    SELECT CAST(NULL AS text) AS payout_id, CAST(NULL AS text) AS authority, CAST(0 AS bigint) AS amount WHERE false
"""


def of_payout(payout_id: str, exponent: str) -> str:
    """SQL of one row: `amount`, all that was withheld from a payout, and `authorities`, who has how much of it."""
    return f"""
        (SELECT coalesce(sum(amount), 0) AS amount,
                coalesce(string_agg(authority || ' ' || {decimal("amount", exponent)}, ', ' ORDER BY authority), '')
                    AS authorities
           FROM ({ROWS}) AS kept WHERE payout_id = {payout_id})
    """


def decimal(units: str, exponent: str) -> str:
    """SQL for ledger units as a decimal string with all decimals of the exponent."""
    return f"CAST(round(CAST({units} AS numeric) / 10::numeric ^ {exponent}, {exponent}) AS text)"
