"""The composition root and the map of the system: routes, reactions, sweeps, works, errands, checks, commands."""

from typing import Any

import demo.commands
import payments.api
import payments.checks
import payments.commands
import payments.export_commands
import quality.api
import quality.checks
import quality.commands
import workforce.api
import workforce.checks
import workforce.dialects.scale
from foundation import api, commands, idempotency, jobs, mail, metrics, outbox, proofs, settings, trail
from foundation.outbox import On
from foundation.program import Program
from payments import (
    bank_balances,
    export_making,
    exports,
    floor_weeks,
    horizon,
    methods,
    redenomination,
    runs,
    screening,
    seals,
    statements,
)
from payments.events import DestinationChanged, DestinationShared, PayHeld, PayoutsSent
from quality import checking, inquiry, quarantine, revisions
from quality.events import (
    ConsensusRevised,
    EvidenceRaised,
    ReliabilityChanged,
    WeightsChanged,
)
from workforce import (
    appeals,
    assignment,
    attempts,
    bulk_moves,
    bulk_steps,
    golds,
    identity,
    importing,
    imports,
    invitation_lists,
    invitations,
    label_corrections,
    ladder_versions,
    leases,
    linked,
    messages,
    overrides,
    precedence,
    rejections,
    reviews,
    settlement,
    suspensions,
    tasks,
    tiers,
)
from workforce.events import (
    AnswerSubmitted,
    AppealDecided,
    LabelCorrected,
    LeaseTakenBack,
    TierMoved,
)

VERSION = "0.1.0"

program = Program(
    version=VERSION,
    routes=(
        workforce.api.routes,
        quality.api.routes,
        payments.api.routes,
        workforce.dialects.scale.routes,
        api.routes,
        api.monitoring(
            gauges=(
                metrics.database,
                outbox.gauges,
                jobs.gauges,
                mail.gauges,
                leases.gauges,
                quarantine.gauges,
            )
        ),
    ),
    # When this happens, that reacts.
    reactions=(
        On(AnswerSubmitted, settlement.settle_answers),
        On(AppealDecided, appeals.tell),
        On(ConsensusRevised, revisions.report),
        On(ConsensusRevised, settlement.reopen),
        On(EvidenceRaised, quarantine.tell),
        On(DestinationChanged, methods.tell_changed),
        On(DestinationShared, methods.tell_shared),
        On(DestinationShared, linked.note_shared),
        On(PayHeld, messages.tell_held),
        On(PayoutsSent, messages.tell_sent),
        On(ReliabilityChanged, tiers.follow),
        On(TierMoved, tiers.tell),
        On(WeightsChanged, settlement.reweigh),
        On(LeaseTakenBack, leases.tell),
        On(LabelCorrected, label_corrections.tell),
    ),
    # What is due by the clock.
    sweeps=(
        assignment.expire,
        attempts.expire,
        precedence.raise_waiting,
        settlement.revisit,
        settlement.without_expert,
        tasks.free_kept,
        golds.judge,
        golds.close,
        checking.count,
        reviews.accept_silent,
        rejections.end,
        imports.forget,
        tiers.look,
        overrides.expire,
        bulk_moves.expire,
        inquiry.look,
        quarantine.expire,
        idempotency.forget,
        horizon.advance,
        seals.seal_due,
        statements.take_snapshots,
        bank_balances.add_up_days,
        exports.expire,
        mail.erase,
        proofs.forget,
        invitations.expire,
        invitation_lists.forget,
        suspensions.end_due,
        identity.expire,
        messages.forget,
        trail.tell_head,
    ),
    # What is due and takes minutes, step by step.
    works=(
        settlement.refit_grown,
        importing.go_on,
        invitation_lists.go_on,
        runs.go_on,
        floor_weeks.go_on,
        screening.go_on,
        export_making.go_on,
        redenomination.go_on,
        tasks.lift_finished,
        ladder_versions.roll_out,
        bulk_steps.go_on,
    ),
    # What waits for servers of others, beside all that.
    errands=(mail.send_due,),
    # What must always be true.
    checks=(payments.checks.check, seals.check, workforce.checks.check, quality.checks.check, trail.check),
    commands=(
        payments.commands.ledger_commands,
        payments.commands.payables_commands,
        payments.export_commands.exports_commands,
        payments.commands.floors_commands,
        payments.commands.kyc_commands,
        payments.commands.screening_commands,
        payments.commands.payouts_commands,
        payments.commands.statements_commands,
        payments.commands.taxes_commands,
        quality.commands.aggregate,
        demo.commands.demo,
    ),
)

cli = commands.make_cli(program)


def create_app() -> Any:
    """The WSGI application for the database and Redis that the environment names."""
    return commands.build(program, settings.read())


def __getattr__(name: str) -> Any:
    # `wsgi:app` for any WSGI server, without a database for those who import this file for its commands.
    if name == "app":
        return create_app()
    raise AttributeError(name)


if __name__ == "__main__":
    cli()
