"""What follows the framework's signals and its responses."""

import logging
from typing import Any

from flask import Flask, Response, current_app, request
from flask_security.proxies import _security

from ...mfa import MFAError
from .totp import SealedTotp

_log = logging.getLogger("ferrotp.adapters")


def settle_columns(app: Flask, user: Any, **_: Any) -> None:
    """Settles a user's columns: here, and not when the code was right, since the framework writes the column after."""
    if isinstance(totp := getattr(_security, "_totp_factory", None), SealedTotp):
        try:
            totp.settle(user)
        except MFAError as error:
            _log.warning("the columns of user %r stay as they are: %s", totp.user_id(user), error)


def forbid_storing(response: Response) -> Response:
    """The framework's own header does not keep a browser from storing its pages."""
    if request.blueprint == current_app.config["SECURITY_BLUEPRINT_NAME"]:
        response.headers["Cache-Control"] = "no-store"
    return response
