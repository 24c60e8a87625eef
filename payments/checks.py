"""What must always hold of money, as SQL: the books, and whatever is paid by them, agree."""

from sqlalchemy.orm import Session

from foundation import checks

# Each must return no row (PAYMENTS, section 14; the names are its numbers).
CHECKS = {
    "I1 every entry balances in each currency": """
        SELECT entry_id FROM postings GROUP BY entry_id, currency HAVING sum(amount) <> 0""",
    "I2 every entry is complete": """
        SELECT e.id FROM journal_entries e LEFT JOIN journal_lines l ON l.entry_id = e.id
         GROUP BY e.id HAVING count(l.line) <> e.lines""",
    "I3 the trial balance is zero": """
        SELECT currency FROM postings GROUP BY currency HAVING sum(amount) <> 0""",
    "I4 stored balances equal recomputed ones": """
        SELECT coalesce(b.account_id, s.account_id)
          FROM (SELECT account_id, sum(greatest(amount, 0)) AS d, sum(greatest(-amount, 0)) AS c
                  FROM postings JOIN accounts a ON a.id = account_id AND a.bounded GROUP BY account_id) s
          FULL JOIN balances b USING (account_id)
         WHERE coalesce(b.debits, 0) <> coalesce(s.d, 0) OR coalesce(b.credits, 0) <> coalesce(s.c, 0)""",
    "I4b snapshots of balances are what the lines before them add up to": """
        SELECT s.account_id
          FROM (SELECT account_id, up_to_entry, debits - lag(debits, 1, 0) OVER earlier AS debits,
                       credits - lag(credits, 1, 0) OVER earlier AS credits,
                       lag(up_to_entry, 1, '') OVER earlier AS since
                  FROM balance_snapshots WINDOW earlier AS (PARTITION BY account_id ORDER BY up_to_entry)) s
         CROSS JOIN LATERAL (SELECT sum(amount) AS amount FROM journal_lines
                              WHERE debit_id = s.account_id AND entry_id >= s.since AND entry_id < s.up_to_entry) d
         CROSS JOIN LATERAL (SELECT sum(amount) AS amount FROM journal_lines
                              WHERE credit_id = s.account_id AND entry_id >= s.since AND entry_id < s.up_to_entry) c
         WHERE s.debits <> coalesce(d.amount, 0) OR s.credits <> coalesce(c.amount, 0)""",
    "I5 no bounded account is below zero": """
        SELECT account_id FROM balances WHERE credits < debits""",
    "I6 payable equals unpaid due earnings": """
        SELECT payee_id FROM
          (SELECT payee_id, currency, sum(amount - paid) AS owed FROM earnings WHERE status = 'due' GROUP BY 1, 2) e
          FULL JOIN (SELECT a.owner_ref AS payee_id, a.currency, b.credits - b.debits AS held
                       FROM accounts a JOIN balances b ON b.account_id = a.id WHERE a.role = 'payable') l
          USING (payee_id, currency)
         WHERE coalesce(owed, 0) <> coalesce(held, 0)""",
    "I6b every due earning has the entry that pays its payee, and no other": """
        SELECT coalesce(e.id, p.entry_id)
          FROM (SELECT id, entry_id, payee_id, currency, amount FROM earnings
                 WHERE status IN ('due', 'paid', 'redenominated')) e
          FULL JOIN (SELECT l.entry_id, a.owner_ref AS payee_id, a.currency, l.amount
                       FROM journal_lines l
                       JOIN journal_entries j ON j.id = l.entry_id
                        AND j.kind IN ('earning', 'bonus', 'goodwill', 'floor', 'redenomination')
                       JOIN accounts a ON a.id = l.credit_id AND a.role = 'payable'
                      WHERE NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses_id = j.id)) p USING (entry_id)
         WHERE e.payee_id IS DISTINCT FROM p.payee_id OR e.currency IS DISTINCT FROM p.currency
            OR e.amount IS DISTINCT FROM p.amount""",
    "I7 of an earning no more is paid than it is": """
        SELECT e.id FROM earnings e
          LEFT JOIN (SELECT earning_id, sum(amount) FILTER (WHERE counts) AS gone, sum(amount) AS taken
                       FROM (SELECT earning_id, counts, amount FROM payout_items WHERE open OR counts
                              UNION ALL
                             SELECT earning_id, true, amount FROM redenomination_items) AS t
                      GROUP BY earning_id) i ON i.earning_id = e.id
         WHERE e.paid <> coalesce(i.gone, 0) OR coalesce(i.taken, 0) > e.amount""",
    "I9 a payout is the sum of its items": """
        SELECT p.id FROM payouts p LEFT JOIN payout_items i ON i.payout_id = p.id
         GROUP BY p.id, p.gross, p.state
        HAVING p.gross <> coalesce(sum(i.amount), 0) OR bool_or(i.open) <> (p.state = 'prepared')
            OR bool_or(i.counts) <> (p.state IN ('exported', 'settled'))""",
    "I10 a run's totals are those of its payouts": """
        SELECT r.id FROM payout_runs r
          LEFT JOIN payouts p ON p.run_id = r.id AND p.state <> 'dropped'
         WHERE r.state NOT IN ('preparing', 'cancelling', 'cancelled')
         GROUP BY r.id, r.total, r.n_payouts
        HAVING r.total <> coalesce(sum(p.net), 0) OR r.n_payouts <> count(p.id)""",
    "I11 whoever approved a run has not prepared it": """
        SELECT id FROM payout_runs
         WHERE approved_by = prepared_by
            OR (state IN ('approved', 'releasing', 'exported', 'closed') AND approved_by IS NULL)""",
    "I12 in transit by the books is what was sent and is not final": """
        SELECT coalesce(b.rail, p.rail)
          FROM (SELECT a.owner_ref AS rail, a.currency, sum(-o.amount) AS held
                  FROM postings o JOIN accounts a ON a.id = o.account_id AND a.role = 'in_transit' GROUP BY 1, 2) b
          FULL JOIN (SELECT r.rail, p.currency, sum(p.net) AS sent FROM payouts p JOIN payout_runs r ON r.id = p.run_id
                      WHERE p.state = 'exported' GROUP BY 1, 2) p USING (rail, currency)
         WHERE coalesce(held, 0) <> coalesce(sent, 0)""",
    "I12b suspense by the books is what banks have booked and nobody can place": """
        SELECT coalesce(l.currency, b.currency)
          FROM (SELECT a.currency, sum(-o.amount) AS held
                  FROM postings o JOIN accounts a ON a.id = o.account_id AND a.role = 'suspense' GROUP BY 1) l
          FULL JOIN (SELECT currency, sum(amount) AS held FROM bank_entries WHERE state = 'suspense' GROUP BY 1) b
         USING (currency)
         WHERE coalesce(l.held, 0) <> coalesce(b.held, 0)""",
    "I13 reserved = spent + released + remaining": """
        SELECT coalesce(r.cause_ref, l.cause_ref)
          FROM reserves r
          FULL JOIN (SELECT a.owner_ref AS cause_ref, a.currency, b.credits - coalesce(t.back, 0) AS credits,
                            b.debits - coalesce(t.back, 0) AS debits
                       FROM accounts a JOIN balances b ON b.account_id = a.id
                       LEFT JOIN (SELECT l.credit_id, sum(l.amount) AS back FROM journal_lines l
                                    JOIN journal_entries j ON j.id = l.entry_id AND j.reverses_id IS NOT NULL
                                   GROUP BY l.credit_id) t ON t.credit_id = a.id
                      WHERE a.role = 'reserve') l
            ON l.cause_ref = r.cause_ref AND l.currency = r.currency
         WHERE r.reserved IS DISTINCT FROM l.credits OR r.spent + r.released IS DISTINCT FROM l.debits""",
    "I14 a reversal is its entry turned round": """
        SELECT r.id FROM journal_entries r
          JOIN journal_lines m ON m.entry_id = r.id
          LEFT JOIN journal_lines l ON l.entry_id = r.reverses_id AND l.line = m.line
         WHERE r.reverses_id IS NOT NULL
           AND (l.debit_id, l.credit_id, l.amount) IS DISTINCT FROM (m.credit_id, m.debit_id, m.amount)""",
    "I18 what was converted by the books is what payouts have converted": """
        SELECT coalesce(b.currency, p.currency)
          FROM (SELECT o.currency, sum(o.amount) AS held FROM postings o
                  JOIN accounts a ON a.id = o.account_id AND a.role = 'fx_clearing' GROUP BY 1) b
          FULL JOIN (SELECT currency, sum(amount) AS paid FROM (
                         SELECT currency, net AS amount FROM payouts
                          WHERE fx_rate_id IS NOT NULL AND state IN ('exported', 'settled')
                          UNION ALL
                         SELECT earned_currency, -gross FROM payouts
                          WHERE fx_rate_id IS NOT NULL AND state IN ('exported', 'settled')) AS sides
                      GROUP BY 1) p USING (currency)
         WHERE coalesce(held, 0) <> coalesce(paid, 0)""",
    "I19 nobody earned less in a closed week than the floor, by what the books added": """
        SELECT w.payee_id || ' in ' || w.week FROM weekly_pay w
          LEFT JOIN (SELECT l.entry_id, a.owner_ref AS payee_id, l.currency, l.amount FROM journal_lines l
                       JOIN journal_entries j ON j.id = l.entry_id AND j.kind = 'floor'
                       JOIN accounts a ON a.id = l.credit_id AND a.role = 'payable') p
            ON p.entry_id = w.entry_id AND p.payee_id = w.payee_id AND p.currency = w.currency
         WHERE (w.floor > 0 AND w.pay - w.fees + coalesce(p.amount, 0) < w.floor)
            OR coalesce(p.amount, 0) <> w.top_up""",
    # Both sides of the books' account, and each payee's sum by the currencies' factor, rounded up by less than a unit.
    "R1 what was redenominated by the books is what earnings became": """
        SELECT coalesce(b.currency, m.currency)
          FROM (SELECT o.currency, sum(o.amount) AS held FROM postings o
                  JOIN accounts a ON a.id = o.account_id AND a.role = 'redenomination' GROUP BY 1) b
          FULL JOIN (SELECT currency, sum(amount) AS moved FROM (
                         SELECT r.currency, -i.amount AS amount FROM redenomination_items i
                           JOIN redenominations r ON r.id = i.redenomination_id
                          UNION ALL
                         SELECT currency, amount FROM earnings WHERE kind = 'redenomination') AS sides
                      GROUP BY 1) m USING (currency)
         WHERE coalesce(held, 0) <> coalesce(moved, 0)""",
    "R2 nobody lost by a redenomination, or won a unit": """
        SELECT e.id
          FROM (SELECT into_id, redenomination_id, sum(amount) AS amount FROM redenomination_items GROUP BY 1, 2) i
          FULL JOIN (SELECT * FROM earnings WHERE kind = 'redenomination') e ON e.id = i.into_id
          LEFT JOIN redenominations r ON r.id = i.redenomination_id
          LEFT JOIN currencies o ON o.code = r.currency LEFT JOIN currencies n ON n.code = e.currency
         WHERE e.currency IS DISTINCT FROM o.successor OR i.amount IS NULL
            OR e.amount * o.factor_num * 10::numeric ^ o.ledger_exponent
               - i.amount * o.factor_den * 10::numeric ^ n.ledger_exponent
               NOT BETWEEN 0 AND o.factor_num * 10::numeric ^ o.ledger_exponent - 1""",
    "R3 whoever approved a redenomination has not proposed it": """
        SELECT id FROM redenominations WHERE state IN ('moving', 'done') AND decided_by = proposed_by""",
    "I15 no entry was written into a closed month": """
        SELECT e.id FROM journal_entries e
          JOIN (SELECT max(month) + interval '1 month' AS opens, max(closed_at) AS closed_at
                  FROM periods WHERE state IN ('closed', 'reopening')) p
            ON e.effective_on < p.opens AND e.created_at > p.closed_at""",
    # By the database's own means, for `periods` computes it from the same rows in Python.
    "I15b a closed month's trial balance is the one that was confirmed": """
        WITH moved AS (
            SELECT e.effective_on, a.role, a.kind, p.currency, greatest(p.amount, 0) AS debit,
                   greatest(-p.amount, 0) AS credit
              FROM postings p JOIN journal_entries e ON e.id = p.entry_id JOIN accounts a ON a.id = p.account_id),
        by_month AS (
            SELECT date_trunc('month', effective_on) AS month, role, kind, currency, sum(debit) AS debits,
                   sum(credit) AS credits
              FROM moved WHERE EXISTS (SELECT FROM periods WHERE state IN ('closed', 'reopening')) GROUP BY 1, 2, 3, 4),
        trial AS (
            SELECT q.month, m.role COLLATE "C" AS role, m.kind COLLATE "C" AS kind, m.currency,
                   concat_ws('|', m.role, m.kind, m.currency, sum(m.debits), sum(m.credits)) AS line
              FROM periods q JOIN by_month m ON m.month <= q.month GROUP BY 1, 2, 3, 4, m.role, m.kind)
        SELECT q.month FROM periods q
         WHERE q.state IN ('closed', 'reopening')
           AND q.trial_hash <> sha256(convert_to(concat_ws(chr(10), to_char(q.month, 'YYYY-MM'),
                   (SELECT string_agg(t.line, chr(10) ORDER BY t.role, t.kind, t.currency) FROM trial t
                     WHERE t.month = q.month)), 'UTF8'))""",
    "I16 no entry without a key": """
        SELECT id FROM journal_entries WHERE idempotency_key IS NULL OR request_hash IS NULL""",
    "F1 nobody confirmed an exchange rate of their own": """
        SELECT id FROM fx_rates WHERE confirmed_by = entered_by""",
    "F2 nobody confirmed a tax rule of their own": """
        SELECT id FROM tax_rules WHERE confirmed_by = entered_by""",
    "I21 a refund is posted when it is approved, and only then": """
        SELECT coalesce(r.id, p.id)
          FROM (SELECT * FROM refunds WHERE state = 'approved') r
          FULL JOIN (SELECT e.id, a.owner_ref, l.currency, l.amount
                       FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id
                       JOIN accounts a ON a.id = l.debit_id AND a.role = 'funds'
                      WHERE e.kind = 'refund') p ON p.id = r.entry_id
         WHERE (r.owner_ref, r.currency, r.amount) IS DISTINCT FROM (p.owner_ref, p.currency, p.amount)""",
    "I22 no more of a top-up goes back than came in by it": """
        SELECT r.top_up_id FROM refunds r
         WHERE r.state <> 'refused' GROUP BY r.top_up_id
        HAVING sum(r.amount) > (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l
                                  JOIN journal_entries e ON e.id = l.entry_id AND e.kind = 'top_up'
                                 WHERE l.entry_id = r.top_up_id)""",
    "I23 what takes two people had two": """
        SELECT id FROM refunds WHERE state = 'approved' AND decided_by = requested_by
         UNION ALL
        SELECT id FROM clawbacks
         WHERE (entry_id IS NOT NULL AND decided_by = made_by) OR written_off_by = write_off_by
         UNION ALL
        SELECT id FROM contracts WHERE confirmed_by = made_by
         UNION ALL
        SELECT id FROM credit_limits WHERE confirmed_by = made_by""",
    "I24 what payees owe by the books is what is asked back and has not come": """
        SELECT coalesce(b.payee_id, c.payee_id)
          FROM (SELECT a.owner_ref AS payee_id, a.currency, sum(p.amount) AS held
                  FROM postings p JOIN accounts a ON a.id = p.account_id AND a.role = 'receivable_payee'
                 GROUP BY 1, 2) b
          FULL JOIN (SELECT payee_id, currency, sum(amount - recovered - written_off) AS owed FROM clawbacks
                      WHERE entry_id IS NOT NULL GROUP BY 1, 2) c USING (payee_id, currency)
         WHERE coalesce(held, 0) <> coalesce(owed, 0)""",
    "I25 what a clawback gave back is what its earning cost": """
        SELECT c.id FROM clawbacks c JOIN earnings e ON e.id = c.earning_id
         WHERE c.entry_id IS NOT NULL
           AND ((SELECT coalesce(sum(l.amount), 0) FROM journal_lines l WHERE l.entry_id = c.entry_id)
                <> (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l WHERE l.entry_id = e.entry_id)
                OR c.returned <> (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l
                                    JOIN accounts a ON a.id = l.credit_id AND a.role = 'funds'
                                   WHERE l.entry_id = c.entry_id))""",
    "I26 an issued invoice is what its owner spent in its month": """
        SELECT i.id FROM invoices i
          LEFT JOIN (SELECT owner_ref, currency, CAST(date_trunc('month', effective_on) AS date) AS period,
                            sum(work) AS work, sum(fee) AS fee FROM spending GROUP BY 1, 2, 3) s
         USING (owner_ref, currency, period)
         WHERE i.state IN ('issued', 'paid') AND (i.work, i.fee) IS DISTINCT FROM (s.work, s.fee)""",
    "I27 an invoice is the sum of its lines": """
        SELECT i.id FROM invoices i LEFT JOIN invoice_lines l ON l.invoice_id = i.id
         GROUP BY i.id, i.work, i.fee
        HAVING i.work <> coalesce(sum(l.work), 0) OR i.fee <> coalesce(sum(l.fee), 0)""",
    "I28 invoices are numbered without gaps": """
        SELECT coalesce(i.entity || '-' || i.year, n.entity || '-' || n.year)
          FROM (SELECT entity, year, count(*) AS n, min(serial) AS least, max(serial) AS most FROM invoices
                 WHERE serial IS NOT NULL GROUP BY entity, year) i
          FULL JOIN invoice_numbers n USING (entity, year)
         WHERE (i.n, i.least, i.most) IS DISTINCT FROM (n.last, 1, n.last)""",
    "I29 what is invoiced and not paid is owed in the books": """
        SELECT coalesce(b.owner_ref, i.owner_ref)
          FROM (SELECT a.owner_ref, a.currency, sum(p.amount) AS owed
                  FROM postings p JOIN accounts a ON a.id = p.account_id AND a.role = 'receivable_requester'
                 GROUP BY 1, 2) b
          FULL JOIN (SELECT owner_ref, currency, sum(due) AS due FROM invoices WHERE state = 'issued' GROUP BY 1, 2) i
         USING (owner_ref, currency)
         WHERE coalesce(b.owed, 0) < coalesce(i.due, 0)""",
    "I30 an invoice's tax and its payment are posted": """
        SELECT i.id FROM invoices i
         WHERE i.serial IS NOT NULL
           AND (i.vat <> coalesce((SELECT sum(l.amount) FROM journal_lines l JOIN accounts a ON a.id = l.credit_id
                                    WHERE l.entry_id = i.entry_id AND a.role = 'sales_tax'), 0)
                OR (i.state = 'void' AND i.entry_id IS NOT NULL
                    AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses_id = i.entry_id))
                OR (i.state = 'paid'
                    AND i.due <> coalesce((SELECT sum(l.amount) FROM journal_lines l
                                             JOIN accounts a ON a.id = l.credit_id
                                            WHERE l.entry_id = i.payment_id AND a.role = 'receivable_requester'), 0)))
         UNION ALL
        SELECT e.id FROM journal_entries e
         WHERE e.kind IN ('invoice', 'payment')
           AND NOT EXISTS (SELECT FROM invoices i WHERE e.id IN (i.entry_id, i.payment_id))""",
}


def check(db: Session) -> dict[str, list[str]]:
    """The books' own test: what is wrong under each invariant's name; all empty is what must be."""
    return checks.broken(db, CHECKS)
