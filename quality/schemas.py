"""What goes out at the quality routes."""

from foundation.fields import Fraction, Identifier, Integer, Schema, Timestamp


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
