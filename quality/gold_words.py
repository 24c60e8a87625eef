"""The words that the tables of gold keep: who knew a label, where a gold stands, why one ends."""

from enum import StrEnum


class Source(StrEnum):
    """Who knew the label: the requester, an expert who decided the task, or a crowd that was sure."""

    REQUESTER = "requester"
    EXPERT = "expert"
    CONSENSUS = "consensus"


class Status(StrEnum):
    """Drawn; drawn no more, with answers still to come; over."""

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class Ending(StrEnum):
    """Why a gold is drawn no more: enough have met it, its answer has got about, its label is doubted, a word."""

    WORN = "worn"
    LEAKED = "leaked"
    CONTESTED = "contested"
    TOLD = "told"


class Verdict(StrEnum):
    """What has become of a proposal."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
