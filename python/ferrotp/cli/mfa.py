"""``ferrotp mfa``: a store of the service is made and looked after, and users of other packages come into it."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..vault import Keyring, KeyringError
from ..web.commands import commands
from . import output, sources
from .errors import DONE, REFUSED, InputError
from .settings import ALGORITHMS, Number, json_option

if TYPE_CHECKING:
    from ..mfa import MFA, AuditContext, Store
    from ..mfa.imports import Accounts, Format, ImportReport, Note

_FORMATS = ("pyotp-column", "django-otp", "django-two-factor-auth", "django-allauth", "flask-security")
_LAST_USED = ("time-step", "seconds", "code", "none")


@click.group(invoke_without_command=True)
@click.pass_context
def mfa(context: click.Context) -> int:
    """Work on a store of ferrotp.mfa."""
    if context.invoked_subcommand is None:
        raise click.UsageError("say what: " + ", ".join(sorted(mfa.commands)), context)
    return 0


@mfa.command()
@click.option("--store", envvar="FERROTP_STORE", required=True, metavar="URL", help="Where it is to be.")
@json_option
def init(store: str, as_json: bool) -> int:
    """Make a store, or bring an older one to this version.

    Once, before the application starts with prepare=False: a store that is not there is an error then, and no new,
    empty one. Name a SQLite file by its whole path.
    """
    try:
        from ..mfa import MFAError, open_store
    except ImportError:
        raise InputError("this needs more packages: pip install 'ferrotp[sql]'", "usage") from None
    try:
        opened = open_store(store)
        made, place = opened.prepare(), repr(opened)
        opened.close()
    except MFAError as error:  # its texts hold no password
        raise InputError(str(error), "mfa") from None
    if as_json:
        output.emit({"store": place, "made": made})
    else:
        output.say(f"{place}: {'made' if made else 'was there, and is of this version'}")
    return DONE


def _options(function: Callable[..., int]) -> Callable[..., int]:
    text = click.option
    for option in reversed(
        (
            text("--from", "name", type=click.Choice(_FORMATS), required=True, help="What keeps them now."),
            text(
                "--source", envvar="FERROTP_SOURCE", required=True, metavar="URL", help="A SQLite file or a URL of it."
            ),
            text("--write", is_flag=True, help="Bring them. Without it the source is looked at, and nothing else."),
            text("--store", envvar="FERROTP_STORE", metavar="URL", help="Where they come to."),
            text("--keys-file", metavar="FILE", help="The keys that seal.  [default: the variable FERROTP_KEYS]"),
            text("--tenant", default="", metavar="NAME", help="The service's tenant."),
            text("--passkeys", metavar="DOMAIN", help="Take passkeys of this domain, too.  [default: leave them]"),
            text("--legacy-secrets", is_flag=True, help="Take secrets of 80 to 127 bits; the report says whose."),
            text("--no-recovery-codes", is_flag=True, help="Leave recovery codes. Hashing them takes 20 ms each."),
            text(
                "--proof", "proofs", multiple=True, metavar="USER=CODE", help="A code of now, to prove the keys right."
            ),
            text("--report", "path", metavar="FILE", help="A line of JSON for each that is left or to be looked at."),
            text("--table", metavar="NAME", help="The table.  [flask-security: user]"),
            text("--user-column", metavar="NAME", help="The user id in it.  [flask-security: id]"),
            text("--secret-column", metavar="NAME", help="pyotp: the secret."),
            text("--last-used", type=click.Choice(_LAST_USED), help="pyotp: what the column of the last use holds."),
            text("--last-used-column", default="", metavar="NAME", help="pyotp: the last use."),
            text("--confirmed-column", default="", metavar="NAME", help="pyotp: take rows where this is true."),
            text("--name-column", default="", metavar="NAME", help="pyotp: what the user calls the device."),
            text("--algorithm", type=click.Choice(ALGORITHMS), default="SHA1", help="pyotp: hash.  [default: SHA1]"),
            text("--digits", type=Number(6, 8), default=6, metavar="N", help="pyotp, allauth.  [default: 6]"),
            text("--period", type=Number(1, 300), default=30, metavar="S", help="pyotp, allauth.  [default: 30]"),
            text("--fernet-keys-file", metavar="FILE", help="Fernet keys that open secrets, or recovery codes."),
            text("--fernet-keys-env", metavar="NAME", help="The same in an environment variable."),
            text("--totp-secrets-file", metavar="FILE", help="flask-security: SECURITY_TOTP_SECRETS, as JSON."),
            text("--totp-secrets-env", metavar="NAME", help="The same in an environment variable."),
            text("--decrypt", metavar="MODULE:NAME", help="allauth: the function that the adapter decrypts with."),
            text(
                "--code-count", type=Number(1, 100), default=10, metavar="N", help="allauth: MFA_RECOVERY_CODE_COUNT."
            ),
            text(
                "--code-digits", type=Number(6, 40), default=8, metavar="N", help="allauth: MFA_RECOVERY_CODE_DIGITS."
            ),
            text("--users-table", default="auth_user", metavar="NAME", help="Django: the table of users."),
            text("--users-key", default="id", metavar="NAME", help="Django: its key.  [default: id]"),
            text("--user-id-column", default="", metavar="NAME", help="Django: the user id in it.  [default: the key]"),
            text("--uuids", is_flag=True, help="User ids are UUIDs, which SQLite and others keep as texts."),
            text("--target-table", metavar="NAME", help="The application's users, among whom each id is looked up."),
            text("--target-column", default="id", metavar="NAME", help="What logins know them by.  [default: id]"),
            text("--target", metavar="URL", help="Where that table is.  [default: the source]"),
            text("--unchecked-ids", is_flag=True, help="Take ids as they are, and look none up."),
        )
    ):
        function = option(function)
    return function


@contextmanager
def _service(*, needs_keys: bool, decides: bool, store: str, keys_file: str | None, tenant: str) -> Iterator["MFA"]:
    """The service of a command. What opens no record, and writes no row of the audit, does without the application's
    keys."""
    try:
        from ..mfa import MFA, open_store
    except ImportError:
        raise InputError("this needs more packages: pip install 'ferrotp[sql]'", "usage") from None
    opened = open_store(store)
    audited = decides and _is_audited(opened)
    keyring = _keyring(keys_file) if needs_keys or audited else Keyring.generate()
    service = MFA(
        opened,
        issuer="ferrotp",
        keyring=keyring,
        tenant=tenant,
        prepare=False,
        audit=audited or (needs_keys and _is_audited(opened)),
        audit_context=_this_program,
    )
    try:
        yield service
    finally:
        service.close()


def _is_audited(store: "Store") -> bool:
    """Whether an application has begun an audit in this store: then what is decided here is a row, too."""
    return bool(store.audit_owners(None, 1))


def _this_program() -> "AuditContext":
    from ..mfa import AuditContext

    return AuditContext(user_agent="ferrotp mfa")


for _command in commands(
    _service,
    [
        click.option("--store", envvar="FERROTP_STORE", required=True, metavar="URL", help="Where it is."),
        click.option("--keys-file", metavar="FILE", help="The keys.  [default: the variable FERROTP_KEYS]"),
        click.option("--tenant", default="", metavar="NAME", help="Whose users."),
    ],
    failed=lambda message: InputError(message, "mfa"),
):
    mfa.add_command(_command)


@mfa.command("import")
@_options
@json_option
def import_(as_json: bool, **given: Any) -> int:
    """Bring the second factors of users over from another package.

    It only reads the source, and without --write it writes nothing at all. A run that was stopped is begun again:
    nobody comes twice. See docs/import.md for each package.
    """
    try:
        from ..mfa import MFAError
        from ..mfa.imports import ImportReport  # noqa: F401 - what it needs is not installed, or it is
    except ImportError:
        raise InputError("this needs more packages: pip install 'ferrotp[import]'", "usage") from None
    try:
        report = _run(given)
    except MFAError as error:  # its texts hold neither codes nor secrets
        raise InputError(str(error), "mfa") from None
    if as_json:
        output.emit(report.as_json())
        return REFUSED if report.errors else DONE
    for line in report.lines():
        output.say(output.clean(line))
    if not given["write"]:
        output.say("nothing was written: --write brings them")
    return REFUSED if report.errors else DONE


def _run(given: dict[str, Any]) -> "ImportReport":
    from ..mfa import MFA, Passkeys, Policy, open_store
    from ..mfa.imports import preview_import, run_import

    format = _format(given)
    domain = given["passkeys"]
    passkeys = Passkeys(rp_id=domain, origins=[f"https://{domain}"]) if domain else None
    policy = Policy(legacy_secrets=given["legacy_secrets"], passkeys=passkeys)
    proofs = dict(_proof(text) for text in given["proofs"])
    with _notes(given["path"]) as on_note, _bar() as progress:
        options: dict[str, Any] = {"proofs": proofs, "progress": progress, "on_note": on_note}
        options["find_users"] = _find_users(given)
        if not given["write"]:
            return preview_import(given["source"], format, policy=policy, **options)
        if not given["store"]:
            raise InputError("say where to: --store URL, or the variable FERROTP_STORE", "usage")
        keyring = _keyring(given["keys_file"])
        target = open_store(given["store"])
        target.prepare()
        service = MFA(
            target,
            issuer="ferrotp",
            keyring=keyring,
            policy=policy,
            tenant=given["tenant"],
            audit=_is_audited(target),
            audit_context=_this_program,
        )
        try:
            return run_import(given["source"], format, service, **options)
        finally:
            service.close()


def _find_users(given: dict[str, Any]) -> "Callable[[Sequence[str]], Mapping[str, str]] | None":
    """What looks ids up. Without it a column of addresses would become ids that no login asks for."""
    from ..mfa.imports import UsersTable

    if given["target_table"] and not given["unchecked_ids"]:
        where = given["target"] or given["source"]
        return UsersTable(where, given["target_table"], given["target_column"], uuids=given["uuids"])
    # Django's formats leave out who is not in the users' table.
    if given["write"] and given["name"] in ("pyotp-column", "flask-security") and not given["unchecked_ids"]:
        raise InputError(
            "say among whom ids are looked up: --target-table NAME; or --unchecked-ids, if logins ask for these very"
            " ids",
            "usage",
        )
    return None


def _format(given: dict[str, Any]) -> "Format":
    from ..mfa import imports

    name, codes = given["name"], not given["no_recovery_codes"]
    fernet = _secret(given["fernet_keys_file"], given["fernet_keys_env"], "the Fernet keys")
    opener = imports.decryptor(fernet.replace(",", " ").split()) if fernet else None
    if name == "pyotp-column":
        for needed in ("table", "user_column", "secret_column", "last_used"):
            if not given[needed]:
                raise InputError(f"--from pyotp-column needs --{needed.replace('_', '-')}", "usage")
        columns = ("table", "user_column", "secret_column", "last_used", "last_used_column")
        others = ("confirmed_column", "name_column", "algorithm", "digits", "period")
        return imports.PyotpColumn(**{key: given[key] for key in (*columns, *others)}, decrypt=opener)
    if name == "flask-security":
        secrets = _secret(given["totp_secrets_file"], given["totp_secrets_env"], "the TOTP secrets")
        return imports.FlaskSecurity(
            secrets=imports.parse_secrets(secrets) if secrets else {},
            decrypt_code=opener,
            table=given["table"] or "user",
            user_column=given["user_column"] or "id",
            recovery_codes=codes,
        )
    accounts = _accounts(given)
    if name == "django-allauth":
        decrypt = _function(given["decrypt"]) if given["decrypt"] else opener or str
        return imports.Allauth(
            accounts=accounts,
            recovery_codes=codes,
            decrypt=decrypt,
            digits=given["digits"],
            period=given["period"],
            code_count=given["code_count"],
            code_digits=given["code_digits"],
        )
    if name == "django-mfa2":
        named = imports.Accounts(table=accounts.table, key="username", user_id=accounts.user_id or accounts.key)
        return imports.DjangoMFA2(accounts=named)
    if name == "django-mfa3":
        return imports.DjangoMFA3(accounts=accounts)
    kind = imports.DjangoOTP if name == "django-otp" else imports.TwoFactor
    return kind(accounts=accounts, recovery_codes=codes)


def _accounts(given: dict[str, Any]) -> "Accounts":
    from ..mfa.imports import Accounts

    return Accounts(
        table=given["users_table"], key=given["users_key"], user_id=given["user_id_column"], uuids=given["uuids"]
    )


def _secret(path: str | None, variable: str | None, what: str) -> str:
    """The text of a file or of a variable; empty if neither is given."""
    if path and variable:
        raise InputError(f"{what}: say a file or a variable, not both", "usage")
    if variable:
        return sources.from_environment(variable, what)
    if not path:
        return ""
    with open(path, "rb") as file:
        return sources.decoded(file.read(), what)


def _function(place: str) -> Callable[[str], Any]:
    module, _, name = place.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        function = None
    if not callable(function):
        raise InputError("--decrypt is MODULE:NAME, of a function that can be imported from here", "usage")
    return function  # type: ignore[no-any-return]


def _proof(text: str) -> tuple[str, str]:
    user_id, _, code = text.rpartition("=")
    if not user_id or not code:
        raise InputError("--proof is USER=CODE: a user id, and the code that this user's app shows now", "usage")
    return user_id, code


def _keyring(path: str | None) -> Keyring:
    try:
        return Keyring.from_env() if path is None else Keyring.from_file(path)
    except KeyringError as error:
        raise InputError(str(error), "keys") from None


@contextmanager
def _notes(path: str | None) -> Iterator["Callable[[Note], None] | None"]:
    if path is None:
        yield None
        return
    if os.path.lexists(path):
        raise InputError(f"{path} is there already: name another file for the report", "file")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="ascii") as file:
        yield lambda note: print(json.dumps(asdict(note)), file=file)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar beside the output, where somebody can see it."""
    if not output.is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = click.progressbar(length=total, label="users", file=sys.stderr, show_pos=True)
            bar.__enter__()
        bar.length = total
        bar.update(done - bar.pos)

    try:
        yield show
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
