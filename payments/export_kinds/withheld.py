"""What was withheld from payouts, for every export that shows it: the one place that says where it is kept."""

# The amount is in ledger units of the currency that is paid.
ROWS = "SELECT payout_id, authority, amount FROM withholdings"


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
