"""What the tables themselves refuse, whoever writes."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests import factories
from tests.conftest import Urls
from workforce import assignment, drafts, leases, paces, pools
from workforce.models import LanguageLevel, Pool

# By the name of the constraint, so that no other one stands in for it.
REFUSED = {
    "ck_workers_status_known": "UPDATE workers SET status = 'asleep'",
    "ck_worker_tiers_tier_range": "UPDATE worker_tiers SET tier = 5",
    "fk_worker_tiers_worker_id_workers": "UPDATE worker_tiers SET worker_id = 'wrk_nobody'",
    "ck_projects_status_known": "UPDATE projects SET status = 'asleep'",
    "ck_projects_overlap_range": "UPDATE projects SET overlap_max = overlap_min - 1",
    "ck_projects_labels_range": "UPDATE projects SET labels = array_fill('x'::text, ARRAY[101])",
    "ck_projects_confidence_target_range": "UPDATE projects SET confidence_target = 1.01",
    "ck_projects_expert_share_range": "UPDATE projects SET expert_share = 1.01",
    "ck_projects_spot_share_range": "UPDATE projects SET spot_share = 1.01",
    "ck_projects_target_basis_known": "UPDATE projects SET target_basis = 'some'",
    "ck_projects_when_revised_known": "UPDATE projects SET when_revised = 'forget'",
    "ck_projects_acceptance_known": "UPDATE projects SET acceptance = 'never'",
    "ck_projects_accept_within_range": "UPDATE projects SET accept_within_seconds = 3599",
    "ck_projects_keep_range": "UPDATE projects SET keep_seconds = -1",
    "ck_projects_read_range": "UPDATE projects SET read_seconds = 3601",
    "ck_projects_error_cost_positive": "UPDATE projects SET error_cost = 0",
    "ck_projects_experts_per_day_range": "UPDATE projects SET experts_per_day = -1",
    "ck_projects_expert_patience_range": "UPDATE projects SET expert_patience_seconds = 59",
    "ck_projects_without_expert_known": "UPDATE projects SET without_expert = 'wait'",
    "ck_projects_second_opinion_share_range": "UPDATE projects SET second_opinion_share = 1.01",
    "ck_projects_panel_size_range": "UPDATE projects SET panel_size = 2",
    "ck_projects_pools_known": "UPDATE projects SET pools = '{crowd,club}'",
    "ck_projects_language_level_known": "UPDATE projects SET language_level = 'fluent'",
    "ck_pool_memberships_pool_known": "UPDATE pool_memberships SET pool = 'club'",
    "ck_pool_memberships_ended_by_somebody": "UPDATE pool_memberships SET ended_at = now()",
    "uq_pool_memberships_live": "UPDATE pool_memberships SET pool = 'vendor'",
    "fk_pool_memberships_worker_id_workers": "UPDATE pool_memberships SET worker_id = 'wrk_nobody'",
    "ck_worker_languages_level_known": "UPDATE worker_languages SET level = 'fluent'",
    "fk_worker_languages_worker_id_workers": "UPDATE worker_languages SET worker_id = 'wrk_nobody'",
    "ck_project_paces_in_order": "UPDATE project_paces SET p95_seconds = median_seconds - 1",
    "fk_project_paces_project_id_projects": "UPDATE project_paces SET project_id = 'prj_nowhere'",
    "ck_projects_reports_range": "UPDATE projects SET reports_to_park = 0",
    "ck_projects_required_exams_range": "UPDATE projects SET required_exams = array_fill('prj_a'::text, ARRAY[11])",
    "ck_projects_late_rule_known": "UPDATE projects SET late_rule = 'perhaps'",
    "ck_projects_lease_policy_known": "UPDATE projects SET lease_policy = 'guessed'",
    "ck_projects_priority_range": "UPDATE projects SET priority = 5",
    "ck_projects_leases_max_range": "UPDATE projects SET leases_max = 21",
    "ck_projects_answers_per_day_range": "UPDATE projects SET answers_per_day = 0",
    "ck_projects_worker_share_range": "UPDATE projects SET worker_share = 0",
    "ck_worker_shares_not_negative": "UPDATE worker_shares SET n_taken = -1",
    "fk_worker_shares_worker_id_workers": "UPDATE worker_shares SET worker_id = 'wrk_' || worker_id",
    "fk_worker_shares_project_id_projects": "UPDATE worker_shares SET project_id = 'prj_nowhere'",
    "ck_projects_lease_range": "UPDATE projects SET lease_seconds = 9",
    "fk_projects_requester_id_requesters": "UPDATE projects SET requester_id = 'req_nobody'",
    "uq_projects_requester_id_name": "UPDATE projects SET name = 'the same'",
    "ck_batches_status_known": "UPDATE batches SET status = 'asleep'",
    "uq_batches_requester_id_name": "UPDATE batches SET name = 'the same'",
    "uq_batches_standing": "UPDATE batches SET standing = true",
    "ck_tasks_status_known": "UPDATE tasks SET status = 'asleep'",
    "ck_tasks_settled_when": "UPDATE tasks SET settled_at = now()",
    "ck_tasks_settled_has_label": "UPDATE tasks SET status = 'settled', settled_at = now()",
    "ck_tasks_slots_range": "UPDATE tasks SET free_slots = overlap + 1",
    "fk_tasks_batch_id_project_id_batches": "UPDATE tasks SET batch_id = 'bat_nowhere'",
    "uq_tasks_requester_unique_id": "UPDATE tasks SET unique_id = 'the same'",
    "ck_assignments_kind_known": "UPDATE assignments SET kind = 'perhaps'",
    "ck_assignments_status_known": "UPDATE assignments SET status = 'perhaps'",
    "ck_assignments_amount_positive": "UPDATE assignments SET amount = 0",
    "fk_assignments_task_id_project_id_tasks": "UPDATE assignments SET task_id = 'tsk_nowhere'",
    "fk_assignments_worker_id_workers": "UPDATE assignments SET worker_id = 'wrk_nobody' WHERE status = 'leased'",
    "uq_assignments_live": "UPDATE assignments SET worker_id = (SELECT min(worker_id) FROM assignments)",
    "ck_withdrawals_reason_known": "UPDATE withdrawals SET reason = 'a whim'",
    "fk_withdrawals_assignment_id_project_id_assignments": "UPDATE withdrawals SET assignment_id = 'asg_nowhere'",
    "ck_releases_reason_known": "UPDATE releases SET reason = 'a whim'",
    "fk_releases_assignment_id_project_id_assignments": "UPDATE releases SET assignment_id = 'asg_nowhere'",
    "fk_drafts_assignment_id_project_id_assignments": "UPDATE drafts SET assignment_id = 'asg_nowhere'",
    "ck_answers_kind_known": "UPDATE answers SET kind = 'perhaps'",
    "ck_answers_status_known": "UPDATE answers SET status = 'perhaps'",
    "fk_answers_assignment_id_project_id_assignments": "UPDATE answers SET assignment_id = 'asg_nowhere'",
    "uq_answers_assignment_id_project_id": """
        INSERT INTO answers (id, project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late)
        SELECT 'ans_again', project_id, assignment_id, task_id, worker_id, kind, payload, label, status, late
          FROM answers""",
}


@pytest.fixture(scope="module")
def worked(new_database: Callable[[], Urls]) -> Urls:
    """A database with two of most things, one answer and one lease, committed."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine, expire_on_commit=False, autoflush=False) as db:
        requester = factories.create_requester(db)
        project, _ = factories.create_project(db, requester, overlap_min=3), factories.create_project(db, requester)
        factories.create_batch(db, project)
        for unique_id in ("one", "other"):
            factories.create_task(db, project, unique_id=unique_id)
        worker = factories.create_worker(db, tier=2)
        pools.put(db, worker.id, [Pool.CROWD, Pool.VENDOR], put_by="ops")
        pools.set_languages(db, worker.id, {"sw": LanguageLevel.B1})
        factories.answer(db, worker)
        paces.note(db, project.id, [1_500])
        factories.claim(db, factories.create_worker(db))
        giver = factories.create_worker(db)
        given = factories.claim(db, giver)
        assignment.release(db, giver.id, given.id, fence=given.fence, reason="no_time")
        lease = factories.claim(db, giver)
        drafts.save(db, giver.id, lease.id, fence=lease.fence, payload={"category": "rook"})
        lost = factories.claim(db, factories.create_worker(db))
        leases.take_back(db, lost.id, reason="other", note="", taken_by="ops")
        db.commit()
    engine.dispose()
    return urls


@pytest.fixture
def owner(worked: Urls) -> Iterator[Session]:
    """The owner's session on that database, who may change everything; what it does is rolled back."""
    engine = create_engine(worked.owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.mark.parametrize("constraint", REFUSED)
def test_the_tables_refuse_what_cannot_be(owner: Session, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=f'"{constraint}"'):
        owner.execute(text(REFUSED[constraint]))
