"""What pyotp raises beside Python's own exceptions."""


class PyOTPError(Exception):
    """Base class of these errors, under pyotp's name."""


class OTPVerificationError(PyOTPError):
    """A code that belongs to none of the permitted counters."""
