"""What goes out at the quality routes."""

from foundation.fields import Fraction, Identifier, Integer, Schema, Timestamp


class Reliability(Schema):
    voter_id = Identifier("wrk")
    reliability = Fraction(metadata={"description": "Expected share of right answers."})
    low = Fraction(metadata={"description": "Lower bound of the 90 % interval."})
    high = Fraction(metadata={"description": "Upper bound of the 90 % interval."})
    n_votes = Integer()
    updated_at = Timestamp()
