"""The exceptions of `ferrotp.exceptions`, the same classes."""

from ..exceptions import OTPVerificationError, PyOTPError

__all__ = ["OTPVerificationError", "PyOTPError"]
