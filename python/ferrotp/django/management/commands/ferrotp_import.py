"""``manage.py ferrotp_import``: users of other packages into the site's own service."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from importlib import import_module
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import connections, models

from ferrotp.django.conf import conf, keyring
from ferrotp.django.service import get_mfa, now, user_id_of
from ferrotp.mfa import MFA, MFAError

_FORMATS = ("pyotp-column", "django-otp", "django-two-factor-auth", "django-allauth", "django-mfa2", "django-mfa3")
_COLUMN = ("table", "user_column", "secret_column", "last_used", "last_used_column", "confirmed_column")


class Command(BaseCommand):
    """Imports."""

    help = (
        "Brings the second factors of users over from another package, by the site's own settings. Without --write it "
        "writes nothing. A run that was stopped is begun again: nobody comes twice. Nobody gets mail."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--from", dest="name", choices=_FORMATS, required=True, help="what keeps them now")
        parser.add_argument("--write", action="store_true", help="bring them")
        parser.add_argument("--database", default="default", metavar="ALIAS", help="where they are now")
        parser.add_argument("--no-recovery-codes", action="store_true", help="leave them: hashing takes 20 ms each")
        parser.add_argument("--report", metavar="FILE", help="a line of JSON for each that is left or to be looked at")
        parser.add_argument("--json", action="store_true", help="for programs")
        for name in _COLUMN:
            parser.add_argument(f"--{name.replace('_', '-')}", default="", metavar="NAME", help="pyotp-column")

    def handle(self, *arguments: Any, **options: Any) -> None:
        try:
            from ferrotp.mfa.imports import preview_import, run_import
        except ImportError:
            raise CommandError("this needs more packages: pip install 'ferrotp[import]'") from None
        service = get_mfa()
        with ExitStack() as stack:
            run_options: dict[str, Any] = {"progress": self._progress(options["verbosity"]), "clock": now}
            run_options["find_users"] = find_users
            if options["report"]:
                handle = os.open(options["report"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                file = stack.enter_context(open(handle, "w", encoding="ascii"))
                run_options["on_note"] = lambda note: print(json.dumps(asdict(note)), file=file)
            try:
                source, format = source_of(options["database"]), _format(options)
                if options["write"]:
                    # Without the site's events: they would send a mail to everybody at once.
                    quiet = MFA(
                        service.store,
                        issuer=service.issuer,
                        keyring=keyring(),
                        policy=conf().policy,
                        tenant=service.tenant,
                        clock=now,
                        prepare=False,
                        audit=conf().audit,
                    )
                    report = run_import(source, format, quiet, **run_options)
                else:
                    report = preview_import(source, format, policy=service.policy, **run_options)
            except MFAError as error:
                raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(report.as_json()) if options["json"] else "\n".join(report.lines()))
        if not options["write"] and not options["json"]:
            self.stdout.write("nothing was written: --write brings them")
        if report.errors:
            log_in = "log in" if options["write"] else "would log in"
            raise CommandError(
                f"{report.errors} of the source's users are nobody here: they {log_in} by password alone"
            )

    def _progress(self, verbosity: int) -> Callable[[int, int], None] | None:
        if not self.stderr.isatty() or not verbosity:
            return None

        def show(done: int, total: int) -> None:
            self.stderr.write(f"\r{done} of {total} users", ending="" if done < total else "\n")

        return show


def find_users(ids: Sequence[str]) -> dict[str, str]:
    """The site's users of ids as another table has them: by the primary key's own reading of a text."""
    model = get_user_model()
    key: Any = model._meta.pk
    keys: dict[str, Any] = {}
    for text in ids:
        with suppress(Exception):  # whatever a field of the site raises for what is no key
            value = key.to_python(text)
            key.run_validators(value)
            # Before 5.0 Django has no range for SQLite's numbers.
            if value is not None and not (isinstance(value, int) and abs(value) >= 1 << 63):
                keys[text] = value
    own = {text: user_id_of(model(pk=value)) for text, value in keys.items()}
    # All rows: a manager that hides some would have their users log in by the password alone.
    there = model._base_manager.filter(pk__in=set(keys.values())).values_list("pk", flat=True)
    found = {user_id_of(model(pk=pk)) for pk in there}
    return {text: user_id for text, user_id in own.items() if user_id in found}


def source_of(alias: str) -> Any:
    """The database of the site, for SQLAlchemy: a SQLite file, or an engine that connects as the site does, with all
    its ``OPTIONS`` (``sslmode``, for one)."""
    from sqlalchemy import NullPool, create_engine

    connection: Any = connections[alias]
    if connection.vendor == "sqlite":
        return str(connection.settings_dict["NAME"])
    if connection.vendor not in ("postgresql", "mysql"):
        raise CommandError("a site's SQLite, PostgreSQL and MySQL are read; for others there is `ferrotp mfa import`")
    driver = connection.Database
    params = connection.get_connection_params()
    for name in ("conv", "context", "cursor_factory"):  # Django's own types
        params.pop(name, None)
    name = {"MySQLdb": "mysqldb"}.get(driver.__name__, driver.__name__)
    return create_engine(
        f"{connection.vendor}+{name}://",
        creator=lambda: driver.connect(**params),
        poolclass=NullPool,
        hide_parameters=True,
    )


def _format(options: dict[str, Any]) -> Any:
    from ferrotp.mfa.imports import Accounts, Allauth, DjangoMFA2, DjangoMFA3, DjangoOTP, PyotpColumn, TwoFactor

    codes = not options["no_recovery_codes"]
    if options["name"] == "pyotp-column":
        missing = next((name for name in _COLUMN[:4] if not options[name]), None)
        if missing:
            raise CommandError(f"--from pyotp-column needs --{missing.replace('_', '-')}")
        if options["last_used"] not in ("time-step", "seconds", "code", "none"):
            raise CommandError("--last-used is time-step, seconds, code or none")
        return PyotpColumn(**{name: options[name] for name in _COLUMN})
    meta = get_user_model()._meta
    key: Any = meta.pk
    accounts = Accounts(table=meta.db_table, key=key.column, uuids=isinstance(key, models.UUIDField))
    if options["name"] == "django-allauth":
        settings = import_module("allauth.mfa.app_settings")
        return Allauth(
            accounts=accounts,
            recovery_codes=codes,
            decrypt=import_module("allauth.mfa.utils").decrypt,
            digits=settings.TOTP_DIGITS,
            period=settings.TOTP_PERIOD,
            code_count=settings.RECOVERY_CODE_COUNT,
            code_digits=settings.RECOVERY_CODE_DIGITS,
        )
    if options["name"] == "django-mfa2":
        name: Any = meta.get_field(str(get_user_model().USERNAME_FIELD))
        named = Accounts(table=meta.db_table, key=name.column, user_id=key.column, uuids=accounts.uuids)
        return DjangoMFA2(accounts=named)
    if options["name"] == "django-mfa3":
        return DjangoMFA3(accounts=accounts)
    kind = DjangoOTP if options["name"] == "django-otp" else TwoFactor
    return kind(accounts=accounts, recovery_codes=codes)
