"""The second factor done right: enroll, confirm, verify, recover and rotate, on a real store.

``import ferrotp`` does not load it. `MFA` is the service, `AsyncMFA` the same for coroutines; `Policy` has every
number, and all that is not a yes is an `MFAError`. `ferrotp.mfa.testing` holds a store of your own to what the service
asks of it.
"""

from .asynchronous import AsyncMFA
from .core import user_id_text
from .errors import (
    AlreadyEnrolled,
    DeviceNotTrusted,
    EnrollmentExpired,
    EnrollmentLost,
    EpochMoved,
    FactorDisabled,
    FactorExists,
    InvalidCode,
    InvalidIdentifier,
    KeyInUse,
    LastFactor,
    MFAError,
    NotEnrolled,
    Overloaded,
    PolicyError,
    SealedRecordError,
    StoreDamaged,
    StoreRefused,
    StoreUnavailable,
    Throttled,
    TooManyFactors,
    UnknownKey,
)
from .events import Event
from .foreign_users import ImportedFactor, ImportedUser
from .policy import Policy
from .results import (
    DeviceInfo,
    DeviceToken,
    Enrollment,
    FactorInfo,
    Outcome,
    RecoveryCodes,
    Report,
    RevealedSecret,
    Rotation,
    Status,
    UserId,
    Verification,
)
from .service import MFA
from .stores import open_store
from .stores.base import Store

__all__ = [
    "MFA",
    "AlreadyEnrolled",
    "AsyncMFA",
    "DeviceInfo",
    "DeviceNotTrusted",
    "DeviceToken",
    "Enrollment",
    "EnrollmentExpired",
    "EnrollmentLost",
    "EpochMoved",
    "Event",
    "FactorDisabled",
    "FactorExists",
    "FactorInfo",
    "ImportedFactor",
    "ImportedUser",
    "InvalidCode",
    "InvalidIdentifier",
    "KeyInUse",
    "LastFactor",
    "MFAError",
    "NotEnrolled",
    "Outcome",
    "Overloaded",
    "Policy",
    "PolicyError",
    "RecoveryCodes",
    "Report",
    "RevealedSecret",
    "Rotation",
    "SealedRecordError",
    "Status",
    "Store",
    "StoreDamaged",
    "StoreRefused",
    "StoreUnavailable",
    "Throttled",
    "TooManyFactors",
    "UnknownKey",
    "UserId",
    "Verification",
    "open_store",
    "user_id_text",
]
