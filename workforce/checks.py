"""The package's own invariants, as SQL that must return no row. `rookery check` runs them beside the books'."""

from sqlalchemy.orm import Session

from foundation import checks
from payments import funding

_COST = funding.with_fee_sql("a.amount", "r.fee_basis_points")
CHECKS = {
    "W1 the slots of a task are its live leases, its answers and what is free": """
        SELECT t.id FROM tasks t
          LEFT JOIN (SELECT task_id, count(*) FILTER (WHERE kind = 'answer') AS n,
                            count(*) FILTER (WHERE kind = 'adjudication') AS rulings
                       FROM assignments WHERE status IN ('leased', 'answered') GROUP BY task_id) a ON a.task_id = t.id
         WHERE (t.status IN ('open', 'gold') AND coalesce(a.n, 0) + t.free_slots <> t.overlap)
            OR (t.status = 'escalated' AND coalesce(a.rulings, 0) + t.free_slots <> t.experts_asked)
            OR coalesce(a.n, 0) > t.overlap OR coalesce(a.rulings, 0) > t.experts_asked""",
    "W2 nobody answered a task twice": """
        SELECT task_id FROM answers GROUP BY task_id, worker_id, kind HAVING count(*) > 1""",
    "W3 every answer has its vote and every vote its answer": """
        SELECT coalesce(n.id, v.task_id || ' by ' || v.voter_id)
          FROM (SELECT * FROM answers WHERE kind = 'answer') n
          FULL JOIN votes v ON v.project_id = n.project_id AND v.task_id = n.task_id AND v.voter_id = n.worker_id
         WHERE v.label IS DISTINCT FROM n.label""",
    "W4 every answer of a settled task is accepted, or its requester's to judge": """
        SELECT n.id FROM answers n JOIN tasks t ON t.id = n.task_id AND t.project_id = n.project_id
         WHERE t.status = 'settled' AND n.status <> 'accepted'
           AND NOT EXISTS (SELECT FROM reviews v WHERE v.answer_id = n.id AND v.project_id = n.project_id)""",
    "W5 every answer has its earning at the price of its claim, due if accepted, or an event on its way": """
        SELECT n.id FROM answers n JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
          LEFT JOIN earnings e ON e.answer_ref = n.id
          LEFT JOIN reviews v ON v.answer_id = n.id AND v.project_id = n.project_id
         WHERE (e.amount IS DISTINCT FROM a.amount
                OR e.status <> ALL (CASE WHEN n.status = 'accepted' THEN ARRAY['due', 'paid']
                                         WHEN v.state = 'final' THEN ARRAY['reversed'] ELSE ARRAY['pending'] END))
           AND NOT EXISTS (SELECT FROM outbox_events o
                            WHERE o.stream = n.project_id AND o.parked_at IS NULL AND o.payload ->> 'answer_id' = n.id)
        """,
    "W6 a final task has no free slot and no live lease": """
        SELECT t.id FROM tasks t
         WHERE t.status IN ('settled', 'cancelled', 'retired') AND (t.free_slots > 0 OR EXISTS (
               SELECT FROM assignments a WHERE a.task_id = t.id AND a.status = 'leased'))""",
    "W7 what experts decided is the label, until its requester fixes it or it is corrected": """
        SELECT t.id FROM tasks t JOIN answers n ON n.task_id = t.id AND n.project_id = t.project_id
         WHERE n.kind = 'adjudication' AND t.status = 'settled' AND t.settled_by NOT IN ('requester', 'correction')
         GROUP BY t.id, t.project_id HAVING bool_and(n.label <> t.label)""",
    "W8 the project counts its tasks rightly": """
        SELECT p.id FROM projects p
          LEFT JOIN (SELECT project_id,
                            count(*) FILTER (WHERE status = 'settled' AND settled_by <> 'expert') AS settled,
                            count(*) FILTER (WHERE status = 'escalated' OR settled_by = 'expert') AS escalated
                       FROM tasks GROUP BY project_id) t ON t.project_id = p.id
         WHERE p.n_settled <> coalesce(t.settled, 0) OR p.n_escalated <> coalesce(t.escalated, 0)""",
    "W9 gold is given out as long as it may be, and what it has set aside covers all who may meet it": """
        SELECT coalesce(t.id, g.task_id)
          FROM (SELECT * FROM tasks WHERE status IN ('gold', 'retired')) t
          FULL JOIN golds g ON g.task_id = t.id AND g.project_id = t.project_id
         WHERE (t.status = 'gold') IS DISTINCT FROM (g.status IN ('active', 'retiring'))
            OR t.reserved < (SELECT coalesce(sum(a.amount), 0) FROM assignments a
                              WHERE a.task_id = t.id AND a.status IN ('leased', 'answered'))""",
    "W10 whoever was given gold is known to have met it, and sees it under a name that tells nothing": """
        SELECT a.id FROM assignments a JOIN tasks t ON t.id = a.task_id AND t.project_id = a.project_id
          LEFT JOIN exposures e ON e.project_id = a.project_id AND e.task_id = a.task_id AND e.voter_id = a.worker_id
         WHERE (t.status IN ('gold', 'retired')) <> (a.shown_as IS NOT NULL)
            OR (t.status IN ('gold', 'retired') AND e.task_id IS NULL)""",
    "W11 an answer to gold is accepted when the task before which it was given is final, and all when it is over": """
        SELECT n.id FROM answers n JOIN tasks t ON t.id = n.task_id AND t.project_id = n.project_id
          JOIN exposures e ON e.project_id = n.project_id AND e.task_id = n.task_id AND e.voter_id = n.worker_id
          LEFT JOIN tasks ahead ON ahead.id = e.ahead_of AND ahead.project_id = e.project_id
         WHERE t.status IN ('gold', 'retired')
           AND NOT EXISTS (SELECT FROM reviews v
                            WHERE v.answer_id = n.id AND v.project_id = n.project_id AND v.state = 'waiting')
           -- What was final once and is decided anew has let its gold go.
           AND CASE WHEN n.status = 'submitted' THEN NOT (ahead.status IN ('open', 'escalated') AND t.status = 'gold')
                    ELSE ahead.status IN ('open', 'escalated') AND t.status = 'gold' AND ahead.reopened = 0 END
           AND NOT EXISTS (SELECT FROM outbox_events o
                            WHERE o.stream = n.project_id AND o.parked_at IS NULL AND o.payload ->> 'answer_id' = n.id)
        """,
    "W13 a draft is of a task that is held": """
        SELECT d.assignment_id FROM drafts d
          JOIN assignments a ON a.id = d.assignment_id AND a.project_id = d.project_id WHERE a.status <> 'leased'""",
    "W12 what an open task has set aside covers the worst that it may cost, by any card": """
        WITH card AS (
            SELECT r.owner_ref, r.tier, r.amount FROM rates r
             WHERE NOT EXISTS (SELECT FROM rates n
                                WHERE n.owner_ref = r.owner_ref AND n.tier = r.tier AND n.region = r.region
                                  AND n.valid_from > r.valid_from AND n.valid_from <= now())
        ), dearest AS (
            SELECT p.id AS project_id, p.overlap_max,
                   CASE WHEN p.second_opinion_share > 0 THEN p.panel_size ELSE 1 END AS experts,
                   max(c.amount) FILTER (WHERE c.tier < 4) AS answer, max(c.amount) AS decision
              FROM projects p JOIN card c ON c.owner_ref = p.id GROUP BY p.id, p.overlap_max, p.panel_size
        ), given AS (
            SELECT a.project_id, a.task_id, a.kind, count(*) AS n, sum(a.amount) AS amount
              FROM assignments a JOIN answers s ON s.assignment_id = a.id AND s.project_id = a.project_id
             WHERE s.status = 'submitted'
               AND NOT EXISTS (SELECT FROM reviews v
                                WHERE v.answer_id = s.id AND v.project_id = s.project_id AND NOT v.of_gold)
             GROUP BY a.project_id, a.task_id, a.kind)
        SELECT t.id FROM tasks t JOIN dearest d ON d.project_id = t.project_id
          JOIN reserves r ON r.cause_ref = t.batch_id
          LEFT JOIN given c ON c.project_id = t.project_id AND c.task_id = t.id AND c.kind = 'answer'
          LEFT JOIN given x ON x.project_id = t.project_id AND x.task_id = t.id AND x.kind = 'adjudication'
         WHERE t.status IN ('open', 'escalated', 'gold')
           -- Each part of a fee is rounded by itself, by half a unit at most.
           AND t.reserved + d.overlap_max + d.experts <
               (coalesce(c.amount, 0)
                + (CASE t.status WHEN 'gold' THEN t.overlap ELSE d.overlap_max END - coalesce(c.n, 0)) * d.answer
                + CASE t.status WHEN 'gold' THEN 0
                       ELSE coalesce(x.amount, 0) + greatest(d.experts - coalesce(x.n, 0), 0) * d.decision END)
               * (1 + r.fee_basis_points / 10000.0)""",
    "W17 an answer is what its review says of it, and none is rejected without one": """
        SELECT n.id FROM answers n LEFT JOIN reviews v ON v.answer_id = n.id AND v.project_id = n.project_id
         WHERE (v.state IS NULL AND n.status = 'rejected')
            OR (v.state IS NOT NULL
                AND n.status <> CASE v.state WHEN 'waiting' THEN 'submitted' WHEN 'accepted' THEN 'accepted'
                                             ELSE 'rejected' END)""",
    "W18 what waits for its requester, or may still be appealed, can be paid beside all open tasks": f"""
        WITH kept AS (
            SELECT v.batch_id, {_COST} AS cost
              FROM reviews v JOIN answers n ON n.id = v.answer_id AND n.project_id = v.project_id
              JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
              JOIN reserves r ON r.cause_ref = v.batch_id
             WHERE v.state IN ('waiting', 'rejected') AND NOT v.of_gold
        ), needed AS (
            SELECT batch_id, cost FROM kept
             UNION ALL
            SELECT batch_id, reserved FROM tasks WHERE status IN ('open', 'escalated', 'gold')
             UNION ALL
            SELECT t.batch_id, -{_COST}
              FROM tasks t JOIN answers n ON n.task_id = t.id AND n.project_id = t.project_id
              JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
              JOIN reserves r ON r.cause_ref = t.batch_id
             WHERE t.status = 'gold' AND n.status = 'accepted'
        )
        SELECT r.cause_ref FROM reserves r JOIN needed d ON d.batch_id = r.cause_ref
         WHERE r.cause_ref IN (SELECT batch_id FROM kept)
         GROUP BY r.cause_ref, r.reserved, r.spent, r.released, r.contingency
        HAVING r.reserved - r.spent - r.released - r.contingency < sum(d.cost)""",
    "W19 an appeal is about a rejection, and its answer is what it was decided": """
        SELECT a.id FROM appeals a JOIN reviews v ON v.answer_id = a.answer_id AND v.project_id = a.project_id
         WHERE v.state <> CASE a.state WHEN 'open' THEN 'rejected' WHEN 'denied' THEN 'final' ELSE 'accepted' END
            OR (v.worker_id, v.requester_id) <> (a.worker_id, a.requester_id)""",
    "W21 what a requester has fixed is what they said last": """
        SELECT t.id FROM tasks t
         WHERE t.status = 'settled' AND t.settled_by = 'requester'
           AND t.label IS DISTINCT FROM (
               SELECT a.label_after FROM audits a
                WHERE a.project_id = t.project_id AND a.task_id = t.id AND a.verdict = 'fixed'
                ORDER BY a.id DESC LIMIT 1)""",
    "W20 nobody rejects anything while ops look at their rejections": """
        SELECT v.answer_id FROM reviews v JOIN brakes b ON b.requester_id = v.requester_id
         WHERE b.state = 'on' AND v.state IN ('rejected', 'final') AND v.decided_at > b.created_at""",
    "W40 an attempt is what its answers say of it": """
        SELECT a.id FROM attempts a
          LEFT JOIN LATERAL (
               SELECT count(*) AS n, count(x.label) AS answered, count(*) FILTER (WHERE x.label = q.label) AS right
                 FROM attempt_answers x JOIN exam_questions q ON q.id = x.question_id
                WHERE x.attempt_id = a.id AND q.project_id = a.project_id) c ON true
         WHERE (a.n_questions, a.n_answered, a.n_right) <> (c.n, c.answered, c.right)
            OR (a.state <> 'sitting' AND a.state <> CASE WHEN a.n_right >= a.n_needed THEN 'passed'
                                                         WHEN a.n_answered > 0 THEN 'failed' ELSE 'abandoned' END)
            OR (a.state = 'sitting' AND a.n_answered = a.n_questions)""",
    "W41 an attempt that pays is paid once, when it is over and anything was answered": """
        SELECT a.id FROM attempts a LEFT JOIN earnings e ON e.answer_ref = a.id
         WHERE (a.amount IS NOT NULL AND a.state IN ('passed', 'failed')) <> (e.id IS NOT NULL)
            OR e.status = 'pending'""",
    "W42 nobody sits an exam more often than it allows, or again before it does, or when they have passed it": """
        SELECT a.id FROM (
               SELECT a.*, row_number() OVER earlier AS nth, lag(a.ended_at) OVER earlier AS ended_before,
                      bool_or(a.state = 'passed') OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                          AS had_passed
                 FROM attempts a WINDOW earlier AS (PARTITION BY a.worker_id, a.project_id ORDER BY a.id)) a
          JOIN exams x ON x.project_id = a.project_id JOIN projects p ON p.id = a.project_id
         WHERE a.nth > x.attempts_max OR a.started_at < a.ended_before + make_interval(days => x.cool_down_days)
            OR (a.had_passed AND p.purpose = 'exam')""",
    "W43 a task is kept from everybody just as long as somebody's report of it waits": """
        SELECT t.id FROM tasks t
         WHERE t.parked_at IS NOT NULL AND t.status IN ('open', 'escalated', 'gold')
           AND NOT EXISTS (SELECT FROM task_reports r
                            WHERE r.task_id = t.id AND r.project_id = t.project_id AND r.state = 'open')""",
    "W22 everybody stands where their last move has brought them": """
        SELECT p.worker_id || ' in ' || p.skill FROM worker_tiers p
          LEFT JOIN LATERAL (
               SELECT m.tier_to FROM tier_moves m
                WHERE m.worker_id = p.worker_id AND m.skill = p.skill ORDER BY m.id DESC LIMIT 1) m ON true
         WHERE m.tier_to IS DISTINCT FROM p.tier""",
    "W23 whoever was moved by evidence was moved by what the bounds of it say": """
        SELECT m.id FROM tier_moves m JOIN ladder_steps s ON s.rule_id = m.rule_id
         WHERE (m.cause = 'promotion' AND s.tier = m.tier_to
                AND (m.tier_to <> m.tier_from + 1 OR s.reach IS NULL OR m.low < s.reach))
            OR (m.cause = 'demotion' AND s.tier = m.tier_from
                AND (m.tier_to >= m.tier_from OR s.keep IS NULL OR least(m.high, m.high_recent) >= s.keep))""",
    "W33 nobody was moved by a ladder that never held": """
        SELECT m.id FROM tier_moves m JOIN ladder_rules r ON r.id = m.rule_id WHERE r.confirmed_at IS NULL""",
    "W30 an applied correction has paid just what its lines say": """
        SELECT d.key FROM (
               SELECT 'goodwill:' || min(l.answer_id) AS key, sum(l.amount) AS amount
                 FROM correction_lines l JOIN corrections c ON c.id = l.correction_id AND c.n_previews = l.preview
                WHERE c.state = 'applied' AND l.paid_by = 'house' GROUP BY c.id, l.worker_id, l.currency) d
          LEFT JOIN (SELECT j.idempotency_key AS key, sum(l.amount) AS amount
                       FROM journal_entries j JOIN journal_lines l ON l.entry_id = j.id GROUP BY 1) paid USING (key)
         WHERE paid.amount IS DISTINCT FROM d.amount""",
    "W31 what an answer was paid too little is made up for once": """
        SELECT l.answer_id FROM correction_lines l
          JOIN corrections c ON c.id = l.correction_id AND c.n_previews = l.preview AND c.state = 'applied'
         WHERE l.paid_by = 'house' GROUP BY 1 HAVING count(*) > 1""",
    "W32 an appeal that a correction found right is upheld": """
        SELECT c.id FROM corrections c LEFT JOIN appeals a ON a.id = c.subject_id
         WHERE c.kind = 'appeal' AND c.state = 'applied' AND a.state IS DISTINCT FROM 'upheld'""",
    "W50 a corrected label is what its last correction says, until its requester fixes it": """
        SELECT coalesce(t.id, c.subject_id)
          FROM (SELECT DISTINCT ON (subject_id) project_id, subject_id, label_to FROM corrections
                 WHERE kind = 'label' AND state = 'applied' ORDER BY subject_id, decided_at DESC, id DESC) c
          FULL JOIN (SELECT * FROM tasks WHERE settled_by = 'correction') t
            ON t.id = c.subject_id AND t.project_id = c.project_id
         WHERE CASE WHEN t.id IS NULL
                    THEN NOT EXISTS (SELECT FROM tasks f
                                      WHERE f.id = c.subject_id AND f.status = 'settled' AND f.settled_by = 'requester')
                    ELSE t.status <> 'settled' OR t.label IS DISTINCT FROM c.label_to END""",
    "W51 a rejected answer that was right is made up for just as it was priced": """
        SELECT l.answer_id FROM correction_lines l
          JOIN corrections c ON c.id = l.correction_id AND c.n_previews = l.preview AND c.state = 'applied'
          JOIN answers n ON n.id = l.answer_id
          JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
         WHERE l.paid_by = 'house' AND n.status = 'rejected' AND l.amount <> a.amount""",
    "W24 a worker is kept on a step just as long as an override of two people holds": """
        SELECT coalesce(p.worker_id || ' in ' || p.skill, o.id) FROM (
               SELECT * FROM worker_tiers WHERE pinned_until IS NOT NULL) p
          FULL JOIN (SELECT * FROM tier_overrides WHERE state = 'active') o
            ON o.worker_id = p.worker_id AND o.skill = p.skill
         WHERE p.pinned_until IS DISTINCT FROM o.ends_at OR o.tier <> p.tier
            OR o.ends_at < now() - interval '1 hour'""",
    "W34 a bulk move counts its lines": """
        SELECT b.id FROM bulk_moves b LEFT JOIN (
               SELECT bulk_id, count(*) FILTER (WHERE fate = 'waiting') AS waiting,
                      count(*) FILTER (WHERE fate = 'there') AS there, count(*) FILTER (WHERE fate = 'bad') AS bad,
                      count(*) FILTER (WHERE fate = 'moved') AS moved,
                      count(*) FILTER (WHERE fate = 'skipped') AS skipped,
                      count(*) FILTER (WHERE fate = 'returned') AS returned,
                      count(*) FILTER (WHERE fate = 'kept') AS kept
                 FROM bulk_lines GROUP BY bulk_id) l ON l.bulk_id = b.id
         WHERE (b.n_waiting, b.n_there, b.n_bad, b.n_moved, b.n_skipped, b.n_returned, b.n_kept) IS DISTINCT FROM
               (coalesce(l.waiting, 0), coalesce(l.there, 0), coalesce(l.bad, 0), coalesce(l.moved, 0),
                coalesce(l.skipped, 0), coalesce(l.returned, 0), coalesce(l.kept, 0))""",
    "W35 a line of an approved bulk move has moved its worker once, just as its preview said": """
        SELECT l.bulk_id || ' line ' || l.line FROM bulk_lines l
          JOIN bulk_moves b ON b.id = l.bulk_id JOIN tier_overrides o ON o.id = l.override_id
          LEFT JOIN (SELECT moved_by, count(*) AS times, min(tier_from) AS tier_from, min(tier_to) AS tier_to
                       FROM tier_moves WHERE cause = 'override' GROUP BY 1) m ON m.moved_by = o.id
         WHERE b.state IN ('proposed', 'refused', 'expired')
            OR (o.worker_id, o.skill, o.tier, o.tier_before, o.proposed_by, o.decided_by) IS DISTINCT FROM
               (l.worker_id, l.skill, l.tier_to, l.tier_from, b.proposed_by, b.decided_by)
            OR (m.times, m.tier_from, m.tier_to) IS DISTINCT FROM (1, l.tier_from, l.tier_to)""",
    "W36 of an undone bulk move nothing holds, and whoever it returned went once to where they had stood": """
        SELECT l.bulk_id || ' line ' || l.line FROM bulk_lines l
          JOIN bulk_moves b ON b.id = l.bulk_id JOIN tier_overrides o ON o.id = l.override_id
          LEFT JOIN (SELECT moved_by, count(*) AS times, min(tier_to) AS tier_to
                       FROM tier_moves WHERE cause = 'expiry' GROUP BY 1) m ON m.moved_by = o.id
         WHERE (b.state = 'undone' AND o.state <> 'ended')
            OR (l.fate = 'returned' AND (b.state NOT IN ('undoing', 'undone') OR o.ended_by IS DISTINCT FROM b.undone_by
                                         OR (m.times, m.tier_to) IS DISTINCT FROM (1, l.tier_from)))""",
    "W25 whoever is linked is in one cluster, and in a cluster are just those who are linked": """
        WITH RECURSIVE linked(of, ref) AS (
            SELECT id, id FROM workers WHERE cluster_id IS NOT NULL
             UNION
            SELECT d.of, CASE WHEN l.one_ref = d.ref THEN l.other_ref ELSE l.one_ref END
              FROM linked d JOIN account_links l ON d.ref IN (l.one_ref, l.other_ref) AND l.withdrawn_at IS NULL)
        SELECT w.id FROM workers w
         WHERE w.cluster_id IS NOT NULL
           AND (SELECT array_agg(d.ref ORDER BY d.ref) FROM linked d WHERE d.of = w.id AND d.ref LIKE 'wrk%')
               IS DISTINCT FROM
               (SELECT array_agg(m.id ORDER BY m.id) FROM workers m WHERE m.cluster_id = w.cluster_id)
         UNION
        SELECT l.id FROM account_links l JOIN workers a ON a.id = l.one_ref JOIN workers b ON b.id = l.other_ref
         WHERE l.withdrawn_at IS NULL AND a.cluster_id IS DISTINCT FROM b.cluster_id""",
    "W26 no task is given to two of a cluster": """
        SELECT a.id FROM workers w JOIN workers m ON m.cluster_id = w.cluster_id AND m.id <> w.id
          JOIN assignments a ON a.worker_id = w.id AND a.created_at > w.clustered_at
          JOIN assignments b ON b.task_id = a.task_id AND b.project_id = a.project_id AND b.kind = a.kind
                            AND b.worker_id = m.id
         WHERE a.status IN ('leased', 'answered') AND b.status IN ('leased', 'answered')
           AND (b.created_at, b.id) <= (a.created_at, a.id)""",
    "W60 whoever works for one requester alone is of the test world, as is everybody there": """
        SELECT id FROM workers WHERE (works_for IS NOT NULL) <> (current_schema() = 'test_world')""",
    "W61 whoever works for one requester alone was given nobody else's task": """
        SELECT a.id FROM assignments a JOIN workers w ON w.id = a.worker_id JOIN projects p ON p.id = a.project_id
         WHERE w.works_for <> p.requester_id""",
    "W62 in the test world nobody is of the staff, and nothing is paid out": """
        SELECT id FROM tokens WHERE current_schema() = 'test_world' AND role NOT IN ('requester', 'worker')
         UNION ALL
        SELECT id FROM payout_runs WHERE current_schema() = 'test_world'""",
    "W63 the account of somebody's test world is of the test world alone": """
        SELECT t.account_id FROM test_worlds t
         WHERE current_schema() = 'test_world' OR EXISTS (SELECT FROM requesters r WHERE r.id = t.account_id)""",
    "W27 a list of people counts its lines": """
        SELECT s.id FROM invitation_lists s LEFT JOIN (
               SELECT list_id, count(*) FILTER (WHERE fate = 'new') AS n_new,
                      count(*) FILTER (WHERE fate = 'invited') AS n_invited,
                      count(*) FILTER (WHERE fate = 'there') AS n_there, count(*) FILTER (WHERE fate = 'bad') AS n_bad
                 FROM invitation_lines GROUP BY list_id) l ON l.list_id = s.id
         WHERE (s.n_new, s.n_invited, s.n_there, s.n_bad) IS DISTINCT FROM
               (coalesce(l.n_new, 0), coalesce(l.n_invited, 0), coalesce(l.n_there, 0), coalesce(l.n_bad, 0))""",
}


def check(db: Session) -> dict[str, list[str]]:
    """What is wrong under each invariant's name; all empty is what must be."""
    return checks.broken(db, CHECKS)
