"""What must always hold of money, as SQL: the books, and whatever is paid by them, agree."""

from sqlalchemy.orm import Session

from foundation import checks
from payments import rails

# What each rail takes of one payment, by the kind of its destination.
_LIMITS = ", ".join(
    f"('{rail.name}', '{kind}', '{rail.currency}', {rail.least}, {rail.most_to(kind)}, {rail.decimals})"
    for rail in rails.by_name.values()
    for kind in rail.kinds
)
# Each must return no row (PAYMENTS, section 14; the names are its numbers).
CHECKS = {
    "I1 every line moves money between two accounts of its currency": """
        SELECT l.entry_id FROM journal_lines l
          JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
         WHERE l.amount <= 0 OR d.id = c.id OR d.currency <> l.currency OR c.currency <> l.currency""",
    # Lines are numbered from one and no number is there twice, so what is missing shows in the sums alone; only where
    # these part is each entry counted.
    "I2 every entry is complete": """
        SELECT l.entry_id FROM journal_lines l LEFT JOIN journal_entries e ON e.id = l.entry_id
         WHERE e.id IS NULL OR l.line NOT BETWEEN 1 AND e.lines
         UNION ALL
        SELECT e.id FROM journal_entries e
         WHERE (SELECT sum(lines) FROM journal_entries) <> (SELECT count(*) FROM journal_lines)
           AND e.lines <> (SELECT count(*) FROM journal_lines l WHERE l.entry_id = e.id)""",
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
    "I4c what banks moved day by day is what the lines before add up to": """
        WITH counted AS (SELECT account_id, max(up_to_entry) AS up_to_entry FROM bank_days GROUP BY 1),
        moved AS (
            SELECT c.account_id, coalesce(CAST(e.event_at AT TIME ZONE 'UTC' AS date), e.effective_on) AS day,
                   sum(p.amount) AS amount
              FROM counted c JOIN postings p ON p.account_id = c.account_id AND p.entry_id < c.up_to_entry
              JOIN journal_entries e ON e.id = p.entry_id GROUP BY 1, 2),
        kept AS (SELECT account_id, day, sum(amount) AS amount FROM bank_days GROUP BY 1, 2)
        SELECT coalesce(m.account_id, k.account_id)
          FROM moved m FULL JOIN kept k ON k.account_id = m.account_id AND k.day = m.day
         WHERE m.amount IS DISTINCT FROM k.amount
         UNION ALL
        SELECT d.account_id FROM bank_days d JOIN accounts a ON a.id = d.account_id WHERE a.role <> 'bank'""",
    "I5 no bounded account is below zero": """
        SELECT account_id FROM balances WHERE credits < debits""",
    "I6 payable equals unpaid due earnings": """
        SELECT payee_id FROM
          (SELECT payee_id, currency, sum(amount - paid) AS owed FROM earnings WHERE status = 'due' GROUP BY 1, 2) e
          FULL JOIN (SELECT a.owner_ref AS payee_id, a.currency, sum(b.credits - b.debits) AS held
                       FROM accounts a JOIN balances b ON b.account_id = a.id
                      WHERE a.role IN ('payable', 'payable_blocked') GROUP BY 1, 2) l
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
                       FROM (SELECT earning_id, amount, counts FROM payout_items WHERE open OR counts
                              UNION ALL
                             SELECT earning_id, amount, counts FROM nettings WHERE open OR counts
                              UNION ALL
                             SELECT earning_id, amount, counts FROM unclaimed_items WHERE counts
                              UNION ALL
                             SELECT earning_id, amount, true FROM redenomination_items) AS items
                      GROUP BY earning_id) i ON i.earning_id = e.id
         WHERE e.paid <> coalesce(i.gone, 0) + e.withheld OR coalesce(i.taken, 0) + e.withheld > e.amount""",
    "I8 a payout is what it pays and what is taken of it": """
        SELECT p.id FROM payouts p
          LEFT JOIN (SELECT payout_id, sum(amount) AS amount, min(base) AS least, max(base) AS most FROM withholdings
                      GROUP BY 1) w ON w.payout_id = p.id
         WHERE p.withheld <> coalesce(w.amount, 0)
            OR p.net + p.fee + p.withheld <> w.least OR p.net + p.fee + p.withheld <> w.most""",
    "I9 a payout is the sum of its items": """
        SELECT p.id FROM payouts p LEFT JOIN payout_items i ON i.payout_id = p.id
         GROUP BY p.id, p.gross, p.state
        HAVING p.gross <> coalesce(sum(i.amount), 0) OR bool_or(i.open) <> (p.state = 'prepared')
            OR bool_or(i.counts) <> (p.state IN ('exported', 'settled'))""",
    "I10 a run's totals are those of its payouts": """
        SELECT r.id FROM payout_runs r
          LEFT JOIN payouts p ON p.run_id = r.id AND p.state <> 'dropped'
         WHERE r.state NOT IN ('preparing', 'rechecking', 'cancelling', 'cancelled')
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
    "I12d a payout has the entries of its state, and no others": """
        SELECT coalesce(p.id, e.cause_ref)
          FROM (SELECT o.id, k.key FROM payouts o
                 CROSS JOIN LATERAL (VALUES ('out:' || o.id, ARRAY['exported', 'settled', 'failed', 'returned']),
                                            ('set:' || o.id, ARRAY['settled', 'returned']),
                                            ('fail:' || o.id, ARRAY['failed']),
                                            ('ret:' || o.id, ARRAY['returned'])) AS k(key, states)
                 WHERE o.state = ANY(k.states)) p
          FULL JOIN (SELECT idempotency_key AS key, cause_ref FROM journal_entries
                      WHERE kind IN ('payout', 'settled', 'failed', 'returned')) e ON e.key = p.key
         WHERE p.id IS DISTINCT FROM e.cause_ref""",
    "I12b suspense by the books is what banks have booked and nobody can place": """
        SELECT coalesce(l.currency, b.currency)
          FROM (SELECT a.currency, sum(-o.amount) AS held
                  FROM postings o JOIN accounts a ON a.id = o.account_id AND a.role = 'suspense' GROUP BY 1) l
          FULL JOIN (SELECT currency, sum(amount) AS held FROM bank_entries WHERE state = 'suspense' GROUP BY 1) b
         USING (currency)
         WHERE coalesce(l.held, 0) <> coalesce(b.held, 0)""",
    "I12c a line has left suspense by what two people said of it": """
        SELECT b.id FROM bank_entries b
          LEFT JOIN resolutions r ON r.bank_entry_id = b.id AND r.state = 'posted'
          LEFT JOIN (SELECT p.entry_id, p.currency, sum(p.amount) AS amount FROM postings p
                       JOIN accounts a ON a.id = p.account_id AND a.role = 'suspense' GROUP BY 1, 2) l
            ON l.entry_id = r.entry_id AND l.currency = b.currency
         WHERE (b.state = 'resolved') <> (r.id IS NOT NULL)
            OR (r.id IS NOT NULL
                AND (l.amount IS DISTINCT FROM b.amount OR r.payout_id IS DISTINCT FROM b.payout_id))""",
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
                         SELECT currency, net + withheld AS amount FROM payouts
                          WHERE fx_rate_id IS NOT NULL AND state IN ('exported', 'settled')
                          UNION ALL
                         SELECT earned_currency, -gross FROM payouts
                          WHERE fx_rate_id IS NOT NULL AND state IN ('exported', 'settled')
                          UNION ALL
                         SELECT sold_currency, sold FROM fx_purchases WHERE state = 'posted'
                          UNION ALL
                         SELECT bought_currency, -bought FROM fx_purchases WHERE state = 'posted'
                          UNION ALL
                         SELECT earned_currency, gain FROM fx_purchases WHERE state = 'posted') AS sides
                      GROUP BY 1) p USING (currency)
         WHERE coalesce(held, 0) <> coalesce(paid, 0)""",
    # What is paid in whole units costs a fraction of the earned one's at each payout, and at each purchase.
    "I18b of a run that is bought for nothing is left in fx_clearing": """
        SELECT f.run_id || ' in ' || f.earned_currency
          FROM (SELECT run_id, earned_currency, count(*) AS n, sum(gain) AS gain,
                       sum(CASE WHEN sold_currency = earned_currency THEN bought ELSE -sold END) AS paid,
                       sum(CASE WHEN sold_currency = earned_currency THEN sold ELSE -bought END) AS earned
                  FROM fx_purchases WHERE state = 'posted' GROUP BY 1, 2) f
         CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(sum(net + withheld) FILTER (WHERE p.state <> 'failed'
                                       AND p.state <> 'returned'), 0) AS paid,
                                    coalesce(sum(gross) FILTER (WHERE p.state <> 'failed'
                                       AND p.state <> 'returned'), 0) AS earned
                               FROM payouts p WHERE p.run_id = f.run_id AND p.earned_currency = f.earned_currency
                                AND p.state IN ('exported', 'settled', 'failed', 'returned')) p
         WHERE f.paid = p.paid AND abs(f.earned - p.earned + f.gain) > f.n + p.n""",
    "I18c gain and loss of exchange by the books is that of purchases": """
        SELECT coalesce(b.currency, f.currency)
          FROM (SELECT p.currency, sum(-p.amount) AS gain FROM postings p
                  JOIN accounts a ON a.id = p.account_id AND a.role IN ('fx_gain', 'fx_loss') GROUP BY 1) b
          FULL JOIN (SELECT earned_currency AS currency, sum(gain) AS gain FROM fx_purchases WHERE state = 'posted'
                      GROUP BY 1) f USING (currency)
         WHERE coalesce(b.gain, 0) <> coalesce(f.gain, 0)""",
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
    # Of what no bank has told of yet: limits change, and what has arrived went by those of its day.
    "I17 a payout is what its rail takes of one payment": f"""
        SELECT p.id FROM payouts p JOIN payout_runs r ON r.id = p.run_id
          JOIN payout_methods m ON m.id = p.method_id JOIN currencies c ON c.code = p.currency
          LEFT JOIN (VALUES {_LIMITS}) AS t(rail, kind, currency, least, most, decimals)
            ON (t.rail, t.kind, t.currency) = (r.rail, m.kind, p.currency)
         WHERE p.state IN ('prepared', 'exported')
           AND (t.rail IS NULL OR mod(p.net, power(CAST(10 AS numeric), c.ledger_exponent - t.decimals)) <> 0
                OR p.net NOT BETWEEN t.least * power(CAST(10 AS numeric), c.ledger_exponent)
                                 AND t.most * power(CAST(10 AS numeric), c.ledger_exponent))""",
    "I42 a rail's fee is of a payout that has left, in its currency and no more than it": """
        SELECT e.id FROM journal_entries e
          LEFT JOIN payouts p ON p.id = e.cause_ref AND p.state IN ('settled', 'returned')
          LEFT JOIN journal_lines l ON l.entry_id = e.id AND l.currency = p.currency AND l.amount <= p.net
          LEFT JOIN accounts d ON d.id = l.debit_id AND d.role = 'rail_fee'
          LEFT JOIN accounts c ON c.id = l.credit_id AND c.role = 'bank'
         WHERE e.kind = 'fee' AND (d.id IS NULL OR c.id IS NULL OR e.idempotency_key <> 'fee:' || p.id)""",
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
        SELECT id FROM resolutions WHERE state = 'posted' AND decided_by = made_by
         UNION ALL
        SELECT id FROM fx_purchases WHERE state = 'posted' AND decided_by = made_by
         UNION ALL
        SELECT id FROM payout_failures WHERE state = 'posted' AND decided_by = made_by
         UNION ALL
        SELECT id FROM unclaimed
         WHERE (state NOT IN ('proposed', 'refused') AND decided_by = made_by) OR handed_by = filed_by
         UNION ALL
        SELECT id FROM contracts WHERE confirmed_by = made_by
         UNION ALL
        SELECT id FROM credit_limits WHERE confirmed_by = made_by
         UNION ALL
        SELECT id FROM tax_documents WHERE confirmed_by = entered_by
         UNION ALL
        SELECT id FROM remittances WHERE confirmed_by = entered_by
         UNION ALL
        SELECT id FROM credit_notes WHERE issued_by = made_by""",
    "I24 what payees owe by the books is what is asked back and has not come": """
        SELECT coalesce(b.payee_id, c.payee_id)
          FROM (SELECT a.owner_ref AS payee_id, a.currency, sum(p.amount) AS held
                  FROM postings p JOIN accounts a ON a.id = p.account_id AND a.role = 'receivable_payee'
                 GROUP BY 1, 2) b
          FULL JOIN (SELECT payee_id, currency, sum(amount - recovered - written_off) AS owed FROM clawbacks
                      WHERE entry_id IS NOT NULL GROUP BY 1, 2) c USING (payee_id, currency)
         WHERE coalesce(held, 0) <> coalesce(owed, 0)""",
    "I24b what has come back of clawbacks was netted, and booked so": """
        SELECT c.id FROM clawbacks c
          LEFT JOIN (SELECT clawback_id, sum(amount) FILTER (WHERE counts) AS gone, sum(amount) AS taken FROM nettings
                      WHERE open OR counts GROUP BY 1) n ON n.clawback_id = c.id
          LEFT JOIN (SELECT e.cause_ref, sum(l.amount) AS booked FROM journal_entries e
                       JOIN journal_lines l ON l.entry_id = e.id WHERE e.kind = 'netting' GROUP BY 1) b
            ON b.cause_ref = c.id
         WHERE c.recovered <> coalesce(n.gone, 0) OR c.recovered <> coalesce(b.booked, 0)
            OR coalesce(n.taken, 0) + c.written_off > c.amount""",
    "I39 what is owed to authorities is what was withheld for them and was not sent": """
        SELECT coalesce(b.authority, w.authority)
          FROM (SELECT a.owner_ref AS authority, a.currency, sum(-o.amount) AS held
                  FROM postings o JOIN accounts a ON a.id = o.account_id AND a.role = 'withheld' GROUP BY 1, 2) b
          FULL JOIN (SELECT authority, currency, sum(amount) AS owed FROM (
                         SELECT w.authority, p.currency, w.amount
                           FROM withholdings w JOIN payouts p ON p.id = w.payout_id
                          WHERE p.state IN ('exported', 'settled')
                          UNION ALL
                         SELECT t.authority, e.currency, t.amount
                           FROM accrued_taxes t JOIN earnings e ON e.id = t.earning_id WHERE t.counts AND t.amount > 0
                          UNION ALL
                         SELECT authority, currency, -amount FROM remittances WHERE entry_id IS NOT NULL) AS each
                      GROUP BY 1, 2) w USING (authority, currency)
         WHERE coalesce(held, 0) <> coalesce(owed, 0)""",
    "I25 what a clawback gave back is what its earning cost": """
        SELECT c.id FROM clawbacks c JOIN earnings e ON e.id = c.earning_id
         WHERE c.entry_id IS NOT NULL
           AND ((SELECT coalesce(sum(l.amount), 0) FROM journal_lines l WHERE l.entry_id = c.entry_id)
                <> (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l WHERE l.entry_id = e.entry_id)
                OR c.returned <> (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l
                                    JOIN accounts a ON a.id = l.credit_id AND a.role = 'funds'
                                   WHERE l.entry_id = c.entry_id))""",
    "I40 what is unclaimed by the books is what is kept of it": """
        SELECT coalesce(b.payee_id, u.payee_id)
          FROM (SELECT a.owner_ref AS payee_id, a.currency, b.credits - b.debits AS held
                  FROM accounts a JOIN balances b ON b.account_id = a.id WHERE a.role = 'unclaimed') b
          FULL JOIN (SELECT payee_id, currency, sum(amount) AS kept FROM unclaimed WHERE state = 'kept' GROUP BY 1, 2) u
         USING (payee_id, currency)
         WHERE coalesce(held, 0) <> coalesce(kept, 0)""",
    "I41 unclaimed pay is the sum of its items, which count until it is claimed": """
        SELECT u.id FROM unclaimed u LEFT JOIN unclaimed_items i ON i.unclaimed_id = u.id
         GROUP BY u.id, u.amount, u.state
        HAVING u.amount <> coalesce(sum(i.amount), 0) OR bool_or(i.counts = (u.state = 'claimed'))""",
    "I26 an issued invoice is what its owner spent in its month": """
        SELECT i.id FROM invoices i
          LEFT JOIN (SELECT owner_ref, currency, CAST(date_trunc('month', effective_on) AS date) AS period,
                            sum(work) AS work, sum(fee) AS fee,
                            coalesce(sum(work) FILTER (WHERE presentation = 'agent'), 0) AS agent_work
                       FROM spending GROUP BY 1, 2, 3) s
         USING (owner_ref, currency, period)
         WHERE i.state IN ('issued', 'paid')
           AND (i.work, i.fee, coalesce(i.agent_work, s.agent_work))
               IS DISTINCT FROM (s.work, s.fee, s.agent_work)""",
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
    "K1 what is blocked by the books is what active blocks hold": """
        SELECT coalesce(l.payee_id, h.payee_id)
          FROM (SELECT a.owner_ref AS payee_id, a.currency, b.credits - b.debits AS held
                  FROM accounts a JOIN balances b ON b.account_id = a.id WHERE a.role = 'payable_blocked') l
          FULL JOIN (SELECT b.payee_id, m.currency, sum(m.amount) AS held
                       FROM blocks b JOIN blocked_amounts m ON m.block_id = b.id
                      WHERE b.state = 'active' GROUP BY 1, 2) h USING (payee_id, currency)
         WHERE coalesce(l.held, 0) <> coalesce(h.held, 0)""",
    "K2 nothing left for anybody while they were blocked": """
        SELECT p.id FROM payouts p
          JOIN blocks b ON b.payee_id = p.payee_id AND b.state IN ('active', 'lifted')
          JOIN journal_entries j ON j.idempotency_key = 'out:' || p.id
         WHERE j.created_at > b.decided_at AND (b.lifted_at IS NULL OR j.created_at < b.lifted_at)""",
    "K3 whoever clears, blocks or lifts is not who asked for it": """
        SELECT id FROM screenings WHERE decided_by = asked_by
         UNION ALL
        SELECT id FROM blocks WHERE decided_by = made_by OR lifted_by = lift_by
         UNION ALL
        SELECT id FROM kyc_rules WHERE confirmed_by = entered_by""",
    "K4 a block has a match that somebody decided, or none": """
        SELECT b.id FROM blocks b JOIN screenings s ON s.id = b.screening_id
         WHERE s.decision IS DISTINCT FROM 'blocked' OR s.payee_id <> b.payee_id""",
    "I32 what lifted a batch to the floor was posted to its payees out of its own reserve": """
        SELECT coalesce(p.entry_id, l.entry_id)
          FROM (SELECT b.entry_id, b.payee_id, f.cause_ref, f.currency, sum(b.top_up) AS amount
                  FROM batch_floor_pay b JOIN batch_floors f ON f.id = b.floor_id
                 WHERE b.entry_id IS NOT NULL GROUP BY 1, 2, 3, 4) p
          FULL JOIN (SELECT l.entry_id, y.payee_id, d.owner_ref AS cause_ref, l.currency, l.amount
                       FROM journal_entries j
                       JOIN journal_lines l ON l.entry_id = j.id
                       JOIN accounts d ON d.id = l.debit_id AND d.role = 'reserve'
                       -- Each by its entry's own lines: joined otherwise, all lines of payables may be read for each.
                       LEFT JOIN LATERAL (SELECT c.owner_ref AS payee_id
                                            FROM journal_lines y
                                            JOIN accounts c ON c.id = y.credit_id AND c.role = 'payable'
                                           WHERE y.entry_id = l.entry_id AND y.amount = l.amount OFFSET 0) y ON true
                      WHERE j.kind = 'floor') l USING (entry_id)
         WHERE (p.payee_id, p.cause_ref, p.currency, p.amount)
               IS DISTINCT FROM (l.payee_id, l.cause_ref, l.currency, l.amount)""",
    "I33 a batch's floor is the sum of what payees lack and got, and what is set aside for it is there": """
        SELECT f.id FROM batch_floors f LEFT JOIN batch_floor_pay b ON b.floor_id = f.id
         GROUP BY f.id, f.lacking, f.paid, f.funded
        HAVING f.lacking <> coalesce(sum(b.lacking), 0) OR f.paid <> coalesce(sum(b.top_up), 0) OR f.paid > f.funded
         UNION ALL
        SELECT cause_ref FROM reserves WHERE contingency NOT BETWEEN 0 AND reserved - spent - released""",
    "I34 an answer cost its price and the fee that stands on its reserve": """
        SELECT e.id FROM earnings e JOIN reserves r ON r.cause_ref = e.cause_ref
          LEFT JOIN (SELECT entry_id, sum(amount) AS amount FROM (
                         SELECT l.entry_id, l.amount FROM journal_lines l
                           JOIN accounts a ON a.id = l.credit_id AND a.role IN ('platform_fee', 'labour_revenue')
                          UNION ALL
                         SELECT l.entry_id, -l.amount FROM journal_lines l
                           JOIN accounts a ON a.id = l.debit_id AND a.role = 'labour') AS parts GROUP BY entry_id) f
            ON f.entry_id = e.entry_id
         WHERE e.status IN ('due', 'paid')
           -- Half a unit of rounding at most, and none for what lifted pay to the floor.
           AND abs(coalesce(f.amount, 0) * 10000
                   - CASE e.kind WHEN 'answer' THEN CAST(e.amount AS numeric) * r.fee_basis_points
                                 ELSE 0 END) > 5000""",
    "I43 what a principal sells is an owner's money, and its labour is its payee's pay": """
        SELECT l.entry_id FROM journal_lines l
          JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
         WHERE l.entry_id IN (SELECT x.entry_id FROM accounts a JOIN journal_lines x ON x.debit_id = a.id
                               WHERE a.role IN ('labour', 'labour_revenue')
                              UNION ALL
                              SELECT x.entry_id FROM accounts a JOIN journal_lines x ON x.credit_id = a.id
                               WHERE a.role IN ('labour', 'labour_revenue'))
         GROUP BY l.entry_id
        HAVING NOT coalesce(
                   array_agg(DISTINCT d.role || ' ' || c.role) IN (
                       ARRAY['labour payable', 'reserve labour_revenue'],
                       ARRAY['funds labour_revenue', 'labour payable'],
                       ARRAY['labour_revenue reserve', 'payable labour'],
                       ARRAY['labour_revenue funds', 'payable labour'],
                       ARRAY['labour_revenue funds', 'receivable_payee labour'],
                       ARRAY['labour_revenue funds', 'receivable_payee labour', 'withheld labour'])
                   AND sum(l.amount) FILTER (WHERE 'labour_revenue' IN (d.role, c.role))
                       >= sum(l.amount) FILTER (WHERE 'labour' IN (d.role, c.role)), false)""",
    # Since it posts anything so. A contract that was being confirmed when an answer was accepted may have come late,
    # and what is repaired stays as it was accepted.
    "I43b a principal pays nobody with an owner's money but as its own labour": """
        SELECT l.entry_id
          FROM (SELECT DISTINCT owner_ref FROM contracts
                 WHERE presentation = 'principal' AND confirmed_by IS NOT NULL) w
          JOIN (SELECT cause_ref AS name, 'reserve' AS role, owner_ref FROM reserves
                 UNION ALL SELECT owner_ref, 'funds', owner_ref FROM owners) o USING (owner_ref)
          JOIN accounts a ON a.role = o.role AND a.owner_ref = o.name JOIN journal_lines l ON l.debit_id = a.id
          JOIN accounts y ON y.id = l.credit_id AND y.role = 'payable' JOIN journal_entries e ON e.id = l.entry_id
         WHERE e.created_at >= (SELECT min(x.created_at) FROM accounts b JOIN journal_lines m ON m.debit_id = b.id
                                  JOIN journal_entries x ON x.id = m.entry_id WHERE b.role = 'labour')
           AND (e.kind <> 'earning' OR split_part(e.idempotency_key, ':', 3) = '1')
           AND (SELECT c.presentation = 'principal' AND c.confirmed_at < e.created_at - interval '1 minute'
                  FROM contracts c
                 WHERE c.owner_ref = w.owner_ref AND c.confirmed_at <= e.created_at AND c.valid_from <= e.created_at
                 ORDER BY c.valid_from DESC, c.id DESC LIMIT 1)""",
    "I35 an issued credit note is what came back to its owner in its month": """
        SELECT n.id FROM credit_notes n
          LEFT JOIN (SELECT owner_ref, currency, CAST(date_trunc('month', effective_on) AS date) AS period,
                            -sum(work) AS work, -sum(fee) AS fee,
                            -coalesce(sum(work) FILTER (WHERE presentation = 'agent'), 0) AS agent_work
                       FROM spending GROUP BY 1, 2, 3) s
         USING (owner_ref, currency, period)
         WHERE n.state = 'issued'
           AND ((n.work, n.fee, coalesce(n.agent_work, s.agent_work))
                IS DISTINCT FROM (s.work, s.fee, s.agent_work)
                OR EXISTS (SELECT FROM invoices i WHERE i.owner_ref = n.owner_ref AND i.currency = n.currency
                                                    AND i.period = n.period AND i.state <> 'void'))""",
    "I36 a credit note is the sum of its lines": """
        SELECT n.id FROM credit_notes n LEFT JOIN credit_note_lines l ON l.note_id = n.id
         GROUP BY n.id, n.work, n.fee
        HAVING n.work <> -coalesce(sum(l.work), 0) OR n.fee <> -coalesce(sum(l.fee), 0)""",
    "I37 credit notes are numbered without gaps": """
        SELECT coalesce(c.entity || '-' || c.year, n.entity || '-' || n.year)
          FROM (SELECT entity, year, count(*) AS n, min(serial) AS least, max(serial) AS most FROM credit_notes
                 WHERE serial IS NOT NULL GROUP BY entity, year) c
          FULL JOIN credit_note_numbers n USING (entity, year)
         WHERE (c.n, c.least, c.most) IS DISTINCT FROM (n.last, 1, n.last)""",
    "I38 a credit note's tax went back to its owner, and is taken back with it": """
        SELECT n.id FROM credit_notes n
         WHERE n.serial IS NOT NULL
           AND (n.vat <> coalesce((SELECT sum(l.amount) FROM journal_lines l
                                     JOIN accounts d ON d.id = l.debit_id AND d.role = 'sales_tax'
                                     JOIN accounts c ON c.id = l.credit_id AND c.role = 'funds'
                                    WHERE l.entry_id = n.entry_id AND c.owner_ref = n.owner_ref), 0)
                OR (n.state = 'void' AND n.entry_id IS NOT NULL
                    AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses_id = n.entry_id)))
         UNION ALL
        SELECT e.id FROM journal_entries e
         WHERE e.kind = 'credit_note' AND NOT EXISTS (SELECT FROM credit_notes n WHERE n.entry_id = e.id)""",
    "A1 what authorities took of an earning is what it says, and no more than it is": """
        SELECT coalesce(e.id, t.earning_id)
          FROM (SELECT id, withheld, amount FROM earnings WHERE withheld > 0) e
          FULL JOIN (SELECT a.earning_id, sum(a.amount) AS amount FROM accrued_taxes a
                       JOIN earnings o ON o.id = a.earning_id AND o.revision = a.revision AND o.status <> 'reversed'
                      WHERE a.amount > 0 GROUP BY a.earning_id) t ON t.earning_id = e.id
         WHERE e.withheld IS DISTINCT FROM t.amount OR e.withheld > e.amount""",
    "A2 tax that was taken of an earning is posted, and counts until it is taken back": """
        SELECT coalesce(a.id, l.entry_id)
          FROM (SELECT t.*, e.currency FROM accrued_taxes t JOIN earnings e ON e.id = t.earning_id
                 WHERE t.amount > 0) a
          FULL JOIN (SELECT l.entry_id, d.owner_ref AS payee_id, c.owner_ref AS authority, l.currency, l.amount
                       FROM journal_lines l JOIN journal_entries j ON j.id = l.entry_id AND j.kind = 'withholding'
                       JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id) l
            ON l.entry_id = a.entry_id AND l.authority = a.authority
         WHERE (a.payee_id, a.currency, a.amount) IS DISTINCT FROM (l.payee_id, l.currency, l.amount)
            OR a.counts = (EXISTS (SELECT FROM journal_entries r WHERE r.reverses_id = a.entry_id)
                           OR EXISTS (SELECT FROM clawbacks c WHERE c.earning_id = a.earning_id
                                         AND c.entry_id IS NOT NULL))""",
    "A3 what is counted of a month's pay is the sum of its earnings' taxes": """
        SELECT coalesce(m.payee_id, t.payee_id)
          FROM (SELECT * FROM accrued_months WHERE (gross, base, taken) <> (0, 0, 0)) m
          FULL JOIN (SELECT a.payee_id, a.rule_id, e.currency, a.month, sum(e.amount) AS gross, sum(a.base) AS base,
                            sum(a.amount) AS taken
                       FROM accrued_taxes a JOIN earnings e ON e.id = a.earning_id WHERE a.counts
                      GROUP BY 1, 2, 3, 4) t USING (payee_id, rule_id, currency, month)
         WHERE (m.gross, m.base, m.taken) IS DISTINCT FROM (t.gross, t.base, t.taken)""",
    # Their hash only of those that are few pieces: all of them would be read whole.
    "E1 a finished export has all its bytes": """
        SELECT e.id FROM exports e
          LEFT JOIN (SELECT export_id, count(*) AS n, max(number) AS last, sum(length(bytes)) AS n_bytes
                       FROM export_chunks GROUP BY export_id) c ON c.export_id = e.id
         WHERE e.state = 'ready'
           AND (c.n_bytes IS DISTINCT FROM e.n_bytes OR c.n <> c.last + 1
                OR (e.n_bytes < 4000000
                    AND e.sha256 <> (SELECT sha256(string_agg(bytes, '' ORDER BY number)) FROM export_chunks
                                      WHERE export_id = e.id)))""",
}


def check(db: Session) -> dict[str, list[str]]:
    """The books' own test: what is wrong under each invariant's name; all empty is what must be."""
    return checks.broken(db, CHECKS)
