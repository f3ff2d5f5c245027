"""Users of other packages, brought over: their factors with the last step that was used, and their recovery codes.

One file for each format. `examine` says what would come and what would not, and `bring` brings it; `ferrotp mfa import`
is both as a command. It needs ``ferrotp[import]``.
"""

from .accounts import Accounts
from .allauth import Allauth
from .django_otp import DjangoOTP
from .errors import SourceError
from .fernet import decryptor
from .flask_security import FlaskSecurity
from .importer import bring, examine
from .pyotp_column import PyotpColumn
from .report import ImportReport
from .source_user import Format, Note
from .two_factor import TwoFactor
from .wallet import parse_secrets

__all__ = [
    "FORMATS",
    "Accounts",
    "Allauth",
    "DjangoOTP",
    "FlaskSecurity",
    "Format",
    "ImportReport",
    "Note",
    "PyotpColumn",
    "SourceError",
    "TwoFactor",
    "bring",
    "decryptor",
    "examine",
    "parse_secrets",
]

FORMATS = (PyotpColumn.name, DjangoOTP.name, TwoFactor.name, Allauth.name, FlaskSecurity.name)
"""The names, as `--from` takes them."""
