"""The example's settings, where a passkey signs in nobody alone."""

from example.settings import *  # noqa: F403
from example.settings import FERROTP

FERROTP["POLICY"]["passkeys"]["sign_in"] = False
