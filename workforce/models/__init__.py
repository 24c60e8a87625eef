"""The package's tables. Those that grow with tasks carry the project in their keys, to be sharded by it one day."""

from workforce.models.appeals import Appeal, AppealState, Brake, BrakeState
from workforce.models.assignment import (
    Answer,
    AnswerStatus,
    Assignment,
    AssignmentStatus,
    ClaimCursor,
    Draft,
    Kind,
    Release,
    ReleaseReason,
    Withdrawal,
    WithdrawalReason,
)
from workforce.models.audience import LanguageLevel, Pool, PoolMembership, WorkerLanguage
from workforce.models.audits import Audit, AuditVerdict
from workforce.models.imports import Import, ImportFault, ImportFormat, ImportPart, ImportPiece, ImportState
from workforce.models.invitation_lists import Fate, InvitationLine, InvitationList, ListState, TeamPool
from workforce.models.invitations import Guest, Invitation, InvitationStatus, InvitedAs, StaffRole
from workforce.models.linked import AccountLink, LinkKind
from workforce.models.messages import Message, MessageChoice
from workforce.models.onboarding import (
    CheckState,
    Consent,
    ConsentVersion,
    DeviceClass,
    Erasure,
    ErasureState,
    IdentityCheck,
    WorkerProfile,
)
from workforce.models.paces import ProjectPace
from workforce.models.people import (
    Cause,
    LadderRule,
    LadderStep,
    OverrideState,
    Requester,
    TierMove,
    TierOverride,
    Worker,
    WorkerStatus,
    WorkerTier,
)
from workforce.models.projects import (
    Acceptance,
    Batch,
    BatchStatus,
    LeasePolicy,
    Project,
    ProjectStatus,
    WhenRevised,
)
from workforce.models.reviews import (
    RejectReason,
    Review,
    ReviewState,
)
from workforce.models.shares import (
    WorkerShare,
)
from workforce.models.suspensions import SuspendedWorker, Suspension, SuspensionState
from workforce.models.tasks import GOLD, Task, TaskStatus, positions
from workforce.models.teams import Member, MemberRole

__all__ = [
    "GOLD",
    "Acceptance",
    "AccountLink",
    "Answer",
    "AnswerStatus",
    "Appeal",
    "AppealState",
    "Assignment",
    "AssignmentStatus",
    "Audit",
    "AuditVerdict",
    "Batch",
    "BatchStatus",
    "Brake",
    "BrakeState",
    "Cause",
    "CheckState",
    "ClaimCursor",
    "Consent",
    "ConsentVersion",
    "DeviceClass",
    "Draft",
    "Erasure",
    "ErasureState",
    "Fate",
    "Guest",
    "IdentityCheck",
    "Import",
    "ImportFault",
    "ImportFormat",
    "ImportPart",
    "ImportPiece",
    "ImportState",
    "Invitation",
    "InvitationLine",
    "InvitationList",
    "InvitationStatus",
    "InvitedAs",
    "Kind",
    "LadderRule",
    "LadderStep",
    "LanguageLevel",
    "LeasePolicy",
    "LinkKind",
    "ListState",
    "Member",
    "MemberRole",
    "Message",
    "MessageChoice",
    "OverrideState",
    "Pool",
    "PoolMembership",
    "Project",
    "ProjectPace",
    "ProjectStatus",
    "RejectReason",
    "Release",
    "ReleaseReason",
    "Requester",
    "Review",
    "ReviewState",
    "StaffRole",
    "SuspendedWorker",
    "Suspension",
    "SuspensionState",
    "Task",
    "TaskStatus",
    "TeamPool",
    "TierMove",
    "TierOverride",
    "WhenRevised",
    "Withdrawal",
    "WithdrawalReason",
    "Worker",
    "WorkerLanguage",
    "WorkerProfile",
    "WorkerShare",
    "WorkerStatus",
    "WorkerTier",
    "positions",
]
