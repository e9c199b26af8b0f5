"""The three ways in which work can fail: wait and try again, set one record aside, or stop."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a record was dead-lettered; operators filter by these codes, so they never change."""

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


class ProgressError(Exception):
    """Whatever this package raises on purpose."""


class TransientError(ProgressError):
    """A dependency is away or was in the way; the same work may succeed later."""


class TooSlowError(TransientError):
    """Postgres did not finish the work within its time limit; less of it may do."""


class LearnerChangedError(TransientError):
    """Another transaction changed a learner of the batch between its load and its save."""


class LockedError(TransientError):
    """Another transaction held a lock for longer than we wait for one."""


class PoisonError(ProgressError):
    """One record can never be applied; `reason` says why, the message holds no payload."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FatalError(ProgressError):
    """The process cannot do its work and has to stop; the message is one sentence for ops."""


class ConfigurationError(FatalError):
    """A setting is missing or wrong; the message names its variable."""
