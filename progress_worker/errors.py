"""Three kinds of failure: try again (transient), dead-letter a record (poison), stop (fatal)."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a record was dead-lettered. Operators filter by these codes, so they never change."""

    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    INVALID_JSON = "invalid_json"
    INVALID_ENVELOPE = "invalid_envelope"
    UNKNOWN_TYPE = "unknown_type"
    SCHEMA_VIOLATION = "schema_violation"
    KEY_MISMATCH = "key_mismatch"
    UNKNOWN_TIMEZONE = "unknown_timezone"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    REJECTED_BY_DATABASE = "rejected_by_database"
    BEYOND_RETENTION = "beyond_retention"
    NOT_FINISHED = "not_finished"
    ERASURE_NOT_CONFIGURED = "erasure_not_configured"


class ProgressError(Exception):
    """The base class of every error that this package raises on purpose."""

    @property
    def sentence(self) -> str:
        """What a command ends with: the message, with a full stop."""
        message = str(self)
        return message if message.endswith((".", "?")) else f"{message}."


class TransientError(ProgressError):
    """A dependency or another transaction prevented the work. The same work may succeed later."""


class TooSlowError(TransientError):
    """Postgres did not finish the work within its time limit. A smaller batch may finish."""


class LearnerChangedError(TransientError):
    """Another transaction changed a learner of the batch between its load and its save."""


class LockedError(TransientError):
    """Another transaction held a lock for longer than the time limit for locks."""


class PoisonError(ProgressError):
    """One record can never be applied. `reason` says why. The message holds no payload."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FatalError(ProgressError):
    """The process cannot do its work and must stop. The message is a sentence for operators."""


class ConfigurationError(FatalError):
    """A setting is missing or wrong. The message names its variable."""
