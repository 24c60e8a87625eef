"""What comes in and goes out at the quality routes, and what workforce shows of quality to requesters."""

import marshmallow as ma

from foundation.fields import Choice, Flag, Fraction, Identifier, Integer, QueryInteger, Schema, Text, Timestamp
from quality.methods.evidence import Kind
from quality.models import Check, QuarantineStatus, RefitState


class InSkill(Schema):
    skill = Text()
    reliability = Fraction(metadata={"description": "Expected share of right answers, each project by its votes."})
    low = Fraction(metadata={"description": "Lower bound of the 90 % interval."})
    high = Fraction(metadata={"description": "Upper bound of the 90 % interval."})
    n_votes = Integer()
    n_projects = Integer()


class InSkills(Schema):
    items = ma.fields.List(ma.fields.Nested(InSkill))


class ChecksQuery(Schema):
    skill = Text(longest=100)


class CheckedVote(Schema):
    task_id = Identifier("tsk")
    project_id = Identifier("prj")
    skill = Text()
    source = Choice(
        Check,
        metadata={"description": "How the truth became known; what was in dispute is hard, and counts for no tier."},
    )
    is_right = Flag(allow_none=True, metadata={"description": "Null while the label of a gold is doubted."})
    seq = Integer(allow_none=True, metadata={"description": "Which of the worker's counted answers it is, from 1."})
    checked_at = Timestamp()


class Expert(Schema):
    voter_id = Identifier("wrk")
    n_rulings = Integer(metadata={"description": "Tasks that this expert decided, alone or with others."})
    n_checked = Integer(metadata={"description": "Those of them that others decided too, each apart."})
    n_upheld = Integer(metadata={"description": "Those of the checked ones where this expert's word became the label."})


class Reliability(Schema):
    voter_id = Identifier("wrk")
    reliability = Fraction(metadata={"description": "Expected share of right answers."})
    low = Fraction(metadata={"description": "Lower bound of the 90 % interval."})
    high = Fraction(metadata={"description": "Upper bound of the 90 % interval."})
    n_votes = Integer()
    updated_at = Timestamp()


class Confusion(Schema):
    confusion = ma.fields.List(
        ma.fields.List(Fraction()), metadata={"description": "[true][given], shares; each row sums to 1."}
    )
    counts = ma.fields.List(
        ma.fields.List(ma.fields.Float()), metadata={"description": "[true][given], the expected votes behind them."}
    )
    n_votes = Integer(metadata={"description": "The sum of the counts."})


class VoterConfusion(Confusion):
    voter_id = Identifier("wrk")
    reliability = Fraction(metadata={"description": "Expected share of right answers."})
    low = Fraction(metadata={"description": "Lower bound of the 90 % interval."})
    high = Fraction(metadata={"description": "Upper bound of the 90 % interval."})


class Agreement(Schema):
    alpha = Fraction(
        least=-1.0,
        allow_none=True,
        metadata={"description": "Krippendorff's alpha; null where there is nothing to compare, or one label alone."},
    )
    observed = Fraction(
        allow_none=True, metadata={"description": "How often two votes on one task are equal; null without any."}
    )
    expected = Fraction(
        allow_none=True, metadata={"description": "How often any two votes are equal; null without any."}
    )
    n_tasks = Integer(metadata={"description": "Tasks with two votes or more."})
    n_votes = Integer()


class DisagreementsQuery(Schema):
    shared_min = QueryInteger(least=1, most=1000)


class Disagreement(Schema):
    voter_ids = ma.fields.List(Identifier("wrk"), metadata={"description": "Two of them."})
    n_shared = Integer(metadata={"description": "Tasks on which both have voted."})
    agreement = Fraction(metadata={"description": "The share of them on which they agree."})
    expected = Fraction(metadata={"description": "The share that their own errors explain."})


class Disagreements(Schema):
    items = ma.fields.List(ma.fields.Nested(Disagreement))


class CalibrationBin(Schema):
    low = Fraction()
    high = Fraction()
    n_tasks = Integer()
    confidence = Fraction(metadata={"description": "Mean of these tasks."})
    right = Fraction(metadata={"description": "The share of them that is right."})
    right_low = Fraction(metadata={"description": "Lower bound of its exact 90 % interval."})
    right_high = Fraction(metadata={"description": "Upper bound of its exact 90 % interval."})


class Calibration(Schema):
    sampled = ma.fields.List(
        ma.fields.Nested(CalibrationBin), metadata={"description": "Tasks drawn at random: they stand for all others."}
    )
    adjudicated = ma.fields.List(
        ma.fields.Nested(CalibrationBin),
        metadata={"description": "Tasks that the crowd was in doubt about: the hard ones, which stand for no others."},
    )


class Refit(Schema):
    number = Integer()
    cause = Text()
    state = Choice(RefitState)
    n_votes = Integer()
    n_iter = Integer(metadata={"description": "Passes over the votes so far."})
    objective = ma.fields.Float(allow_none=True)
    written = Fraction(metadata={"description": "Share of the tasks that are written."})
    drift_largest = Fraction(allow_none=True, metadata={"description": "Largest difference of a task's posterior."})
    drift_mean = Fraction(allow_none=True)
    n_flipped = Integer(allow_none=True, metadata={"description": "Tasks whose label it changed."})
    n_revised = Integer(allow_none=True, metadata={"description": "Settled tasks that it decides otherwise."})
    started_at = Timestamp()
    updated_at = Timestamp()


class Revision(Schema):
    task_id = Identifier("tsk")
    settled_label = Integer(metadata={"description": "The class as it was settled: its place in `labels`, from 0."})
    settled_confidence = Fraction()
    label = Integer(metadata={"description": "The class that the votes make most probable now."})
    confidence = Fraction()
    refit = Integer(metadata={"description": "The refit that first said so."})
    created_at = Timestamp()


class Evidence(Schema):
    id = Identifier("evd")
    project_id = Identifier("prj")
    kind = Choice(Kind)
    voter_ids = ma.fields.List(Identifier("wrk"), metadata={"description": "Everybody it speaks against."})
    statistic = Fraction(
        most=1e9,
        metadata={"description": "Logarithm of how much better foul play explains the answers than honest work."},
    )
    threshold = Fraction(most=1e9, metadata={"description": "What the statistic had to reach."})
    answers = Integer(metadata={"description": "How many answers it stands on."})
    sentence = Text()
    found_at = Timestamp()


class EvidenceQuery(Schema):
    kind = Choice(Kind)
    voter_id = Identifier("wrk")
    project_id = Identifier("prj")


class Quarantine(Schema):
    id = Identifier("qtn")
    voter_id = Identifier("wrk")
    project_id = Identifier("prj", metadata={"description": "Where the evidence is from."})
    everywhere = Flag(metadata={"description": "Whether it holds in all projects, or in that one."})
    status = Choice(QuarantineStatus)
    factor = Fraction(metadata={"description": "What the voter's votes weigh while it is active."})
    days = Integer(least=1, most=90)
    proposed_at = Timestamp()
    reason = Text(allow_none=True)
    decided_at = Timestamp(allow_none=True)
    ends_at = Timestamp(allow_none=True)
    end_reason = Text(allow_none=True)
    ended_at = Timestamp(allow_none=True)


class QuarantineWithEvidence(Schema):
    quarantine = ma.fields.Nested(Quarantine)
    evidence = ma.fields.List(ma.fields.Nested(Evidence))


class QuarantineQuery(Schema):
    status = Choice(QuarantineStatus)
    voter_id = Identifier("wrk")
    project_id = Identifier("prj")


class Activation(Schema):
    reason = Text(required=True, shortest=1, longest=1000)
    days = Integer(least=1, most=90, metadata={"description": "From now on; left out, as many as were proposed."})
    everywhere = Flag(load_default=False)


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=1000)
