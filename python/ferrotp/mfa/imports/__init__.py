"""Users of other packages, brought over: their factors with the last step that was used, and their recovery codes.

One file for each format. `preview_import` says what would come and what would not, and `run_import` takes it over;
`ferrotp mfa import` is both as a command. It needs ``ferrotp[import]``.
"""

from .allauth import Allauth
from .database import Accounts, SourceError
from .django_mfa import DjangoMFA2, DjangoMFA3
from .django_otp import DjangoOTP
from .fernet import decryptor
from .flask_security import FlaskSecurity
from .importer import preview_import, run_import
from .pyotp_column import PyotpColumn
from .report import ImportReport
from .source_user import Format, Note
from .target import UsersTable
from .two_factor import TwoFactor
from .wallet import parse_secrets

__all__ = [
    "FORMATS",
    "Accounts",
    "Allauth",
    "DjangoMFA2",
    "DjangoMFA3",
    "DjangoOTP",
    "FlaskSecurity",
    "Format",
    "ImportReport",
    "Note",
    "PyotpColumn",
    "SourceError",
    "TwoFactor",
    "UsersTable",
    "decryptor",
    "parse_secrets",
    "preview_import",
    "run_import",
]

FORMATS = (
    PyotpColumn.name,
    DjangoOTP.name,
    TwoFactor.name,
    Allauth.name,
    DjangoMFA2.name,
    DjangoMFA3.name,
    FlaskSecurity.name,
)
"""The names, as `--from` takes them."""
