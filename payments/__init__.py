"""What is owed: money, ledger, rates, earnings, payouts. Knows payees and opaque owners, not workers or requesters."""
