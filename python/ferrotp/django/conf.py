"""``FERROTP`` in the settings: read when it is needed, and said to be wrong by `manage.py check`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import cache
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ferrotp.mfa import KeySource, KeysUnavailable, Passkeys, Policy, PolicyError, keys_from_command
from ferrotp.mfa.core import is_identifier
from ferrotp.vault import Keyring, VaultError

DEFAULTS: dict[str, Any] = {
    "ISSUER": "",
    "KEYS": None,
    "KEY_FILE": None,
    "KEY_COMMAND": None,
    "STORE": "django",
    "DATABASE": "default",
    "TENANT": "",
    "POLICY": {},
    "REQUIRED": [],
    "MAY_SIGN_IN": None,
    "ADMIN": True,
    "EXEMPT_BACKENDS": [],
    "FRESH_SECONDS": 600,
    "FRESH": [],
    "BASE_TEMPLATE": "ferrotp/base.html",
    "NOTIFY": None,
    "MAIL_LANGUAGE": None,
    "CLOCK": None,
    "AUDIT": False,
}

Who = Callable[[Any], bool]


@dataclass(frozen=True)
class Rule:
    """Who must have a second factor, from which moment on."""

    who: Who
    since: datetime | None
    group: str = ""
    """The name of the group that it is about, if it is about one."""
    passkey: bool = False
    """Whether it has to be a passkey."""


@dataclass(frozen=True)
class Conf:
    """The settings as they are used."""

    issuer: str
    store: Any
    database: str
    tenant: str | Callable[[], str]
    policy: Policy
    required: tuple[Rule, ...]
    may_sign_in: Who | None
    admin: bool
    exempt_backends: tuple[str, ...]
    fresh_seconds: int
    fresh: tuple[tuple[Who, int], ...]
    """For whom it is fewer."""
    base_template: str
    notify: Any
    mail_language: Callable[[Any], str | None] | None
    clock: Callable[[], float] | None
    audit: bool = False
    """Whether each event is a row in the store as well."""


def raw() -> dict[str, Any]:
    """The dictionary, with the defaults; unknown names are faults, since a misspelt one would be without effect."""
    given = getattr(settings, "FERROTP", None)
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("FERROTP must be a dictionary")
    unknown = sorted(str(name) for name in given.keys() - DEFAULTS.keys())
    if unknown:
        raise ImproperlyConfigured(f"FERROTP has no {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
    return {**DEFAULTS, **given}


@cache
def conf() -> Conf:
    """The settings, looked at once.

    :raises ImproperlyConfigured: for what cannot be used. The message names it
    """
    given = raw()
    for name, kind in (("ISSUER", str), ("DATABASE", str), ("BASE_TEMPLATE", str), ("ADMIN", bool), ("AUDIT", bool)):
        if not isinstance(given[name], kind):
            raise ImproperlyConfigured(f'FERROTP["{name}"] must be a {kind.__name__}')
    _check_store(given["STORE"])
    _check_tenant(given["TENANT"])
    fresh = given["FRESH_SECONDS"]
    if not _is_fresh_seconds(fresh):
        raise ImproperlyConfigured('FERROTP["FRESH_SECONDS"] must be a whole number from 30 to 86400')
    clock = given["CLOCK"]
    clock = _imported("CLOCK", clock) if isinstance(clock, str) else clock
    if clock is not None and not callable(clock):
        raise ImproperlyConfigured('FERROTP["CLOCK"] must be a function, or the path of one')
    notify = given["NOTIFY"]
    notify = _imported("NOTIFY", notify) if isinstance(notify, str) and notify != "mail" else notify
    if notify not in (None, False, True, "mail") and not callable(notify):
        raise ImproperlyConfigured('FERROTP["NOTIFY"] must be "mail", a function, or the path of one')
    policy, required = _policy(given["POLICY"]), _rules(given["REQUIRED"])
    if policy.passkeys is None and any(rule.passkey for rule in required):
        raise ImproperlyConfigured('a rule of FERROTP["REQUIRED"] asks for passkeys, and FERROTP["POLICY"] has none')
    return Conf(
        issuer=given["ISSUER"],
        store=given["STORE"],
        database=given["DATABASE"],
        tenant=given["TENANT"],
        policy=policy,
        required=required,
        may_sign_in=_function("MAY_SIGN_IN", given["MAY_SIGN_IN"]),
        admin=given["ADMIN"],
        exempt_backends=_backends(given["EXEMPT_BACKENDS"]),
        fresh_seconds=fresh,
        fresh=_fresh_rules(given["FRESH"]),
        base_template=given["BASE_TEMPLATE"],
        notify=notify,
        mail_language=_function("MAIL_LANGUAGE", given["MAIL_LANGUAGE"]),
        clock=clock,
        audit=given["AUDIT"],
    )


def forget() -> None:
    """Reads the settings anew, where they were changed: in tests."""
    conf.cache_clear()
    _key_source.cache_clear()


def is_testing() -> bool:
    """Whether Django's test environment is set up, as its runner and pytest-django do."""
    return hasattr(mail, "outbox")


def keyring() -> Keyring:
    """The keys as they are now.

    :raises VaultError: if there are none, or they cannot be used
    :raises KeysUnavailable: if they are elsewhere, and that is away
    """
    found = keys()
    return found.keyring() if isinstance(found, KeySource) else found


@cache
def _key_source() -> KeySource | None:
    given = raw()
    if isinstance(given["KEYS"], KeySource):
        return given["KEYS"]
    if callable(given["KEYS"]) and not isinstance(given["KEYS"], Keyring):
        return KeySource(given["KEYS"])
    command = given["KEY_COMMAND"]
    if command is None:
        return None
    if not isinstance(command, (list, tuple)) or not all(isinstance(part, str) for part in command) or not command:
        raise ImproperlyConfigured('FERROTP["KEY_COMMAND"] must be a list: a program, and its arguments')
    return KeySource(keys_from_command(command))


def keys() -> Keyring | KeySource:
    """The keys: ``KEYS``, or what ``KEY_COMMAND`` prints, or the file ``KEY_FILE``, or the environment variable
    ``FERROTP_KEYS``.

    :raises VaultError: if there are none, or they cannot be used
    """
    given = raw()
    source = _key_source()
    if source is not None:
        return source
    if isinstance(given["KEYS"], Keyring):
        return given["KEYS"]
    if given["KEYS"]:
        return Keyring(given["KEYS"])
    if given["KEY_FILE"]:
        return Keyring.from_file(given["KEY_FILE"])
    return Keyring.from_env()


def keyring_fault() -> str:
    """What is wrong with the keys; empty if nothing is."""
    try:
        keyring()
    except (VaultError, TypeError, KeysUnavailable, ImproperlyConfigured) as error:
        return str(error)
    return ""


def _backends(given: Any) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple)):
        raise ImproperlyConfigured('FERROTP["EXEMPT_BACKENDS"] must be a list of paths')
    for path in given:
        if path not in settings.AUTHENTICATION_BACKENDS:
            raise ImproperlyConfigured(
                f'FERROTP["EXEMPT_BACKENDS"] names {path!r}, which is not in AUTHENTICATION_BACKENDS'
            )
    return tuple(given)


def _check_store(given: Any) -> None:
    if not isinstance(given, str):
        is_store = hasattr(given, "reserve") or hasattr(given, "connect")  # a store, or an engine of SQLAlchemy
    else:
        scheme, _, rest = given.partition(":")
        is_store = given in ("django", "memory") or bool(rest and scheme.partition("+")[0] in _SCHEMES)
    if not is_store:  # not what was given: it may hold a password
        raise ImproperlyConfigured(
            f'FERROTP["STORE"] must be "django", "memory", a store, or a URL of {", ".join(_SCHEMES)}'
        )


_SCHEMES = ("sqlite", "postgresql", "mysql", "mariadb", "redis", "rediss", "unix")


def _check_tenant(given: Any) -> None:
    if callable(given) or given == "":
        return
    if not isinstance(given, str):
        raise ImproperlyConfigured('FERROTP["TENANT"] must be a str, or a function that gives one')
    if not is_identifier(given):
        raise ImproperlyConfigured('FERROTP["TENANT"] must be 1 to 255 printable characters, without space at its ends')


def _policy(given: Any) -> Policy:
    if isinstance(given, Policy):
        return given
    try:
        if isinstance(given, str):
            made: Policy = {
                "default": Policy.default,
                "asvs_strict": Policy.asvs_strict,
                "cheap_for_tests": Policy.cheap_for_tests,
            }[given]()
            return made
        given = dict(given)
        if isinstance(given.get("passkeys"), Mapping):
            given["passkeys"] = Passkeys(**given["passkeys"])
        return Policy(**given)
    except (KeyError, TypeError, PolicyError) as error:
        raise ImproperlyConfigured(f'FERROTP["POLICY"]: {error}') from None


_WHO: dict[str, Who] = {
    "all": lambda user: True,
    "staff": lambda user: bool(getattr(user, "is_staff", False)),
    "superusers": lambda user: bool(getattr(user, "is_superuser", False)),
}


def _rules(given: Any) -> tuple[Rule, ...]:
    if isinstance(given, str):
        given = [{"who": given}]
    if not isinstance(given, Sequence):
        raise ImproperlyConfigured('FERROTP["REQUIRED"] must be a list of rules')
    return tuple(_rule(rule) for rule in given)


def _rule(given: Any) -> Rule:
    keys = {"who", "from", "passkey"}
    is_rule = isinstance(given, Mapping) and "who" in given and given.keys() <= keys
    if not is_rule or type(given.get("passkey", False)) is not bool:
        raise ImproperlyConfigured(
            'a rule of FERROTP["REQUIRED"] is {"who": "all" | "staff" | "superusers" | "group:NAME" | '
            '"path.to.function" | function, "from": date or datetime or "YYYY-MM-DD", "passkey": True | False}; '
            'all but "who" may be left out'
        )
    who, group = _who(given["who"], "REQUIRED")
    return Rule(who, _since(given.get("from")), group, given.get("passkey", False))


def _is_fresh_seconds(given: Any) -> bool:
    return type(given) is int and 30 <= given <= 86_400


def _fresh_rules(given: Any) -> tuple[tuple[Who, int], ...]:
    if not isinstance(given, (list, tuple)):
        raise ImproperlyConfigured('FERROTP["FRESH"] must be a list of rules')
    rules = []
    for rule in given:
        if not isinstance(rule, Mapping) or rule.keys() != {"who", "seconds"} or not _is_fresh_seconds(rule["seconds"]):
            raise ImproperlyConfigured(
                'a rule of FERROTP["FRESH"] is {"who": as in REQUIRED, "seconds": a whole number from 30 to 86400}'
            )
        rules.append((_who(rule["who"], "FRESH")[0], rule["seconds"]))
    return tuple(rules)


def _who(given: Any, setting: str) -> tuple[Who, str]:
    """Whom a rule is about, and the name of the group, if it is one."""
    who, group = given, ""
    if isinstance(who, str):
        if who in _WHO:
            who = _WHO[who]
        elif who.startswith("group:"):
            group = who.removeprefix("group:")
            who = _in_group(group)
        elif "." in who:
            who = _imported(setting, who)
    if not callable(who):
        raise ImproperlyConfigured(f'FERROTP["{setting}"] knows no {given!r}')
    return who, group


def _in_group(name: str) -> Who:
    # All of the user's, so that a page of many users can look their groups up together.
    return lambda user: any(group.name == name for group in user.groups.all())


def _since(given: Any) -> datetime | None:
    if given is None:
        return None
    try:
        if isinstance(given, str):
            given = datetime.fromisoformat(given)
        if isinstance(given, datetime):
            return given if given.tzinfo else given.replace(tzinfo=timezone.utc)
        if isinstance(given, date):
            return datetime(given.year, given.month, given.day, tzinfo=timezone.utc)
    except ValueError:
        pass
    raise ImproperlyConfigured(f'FERROTP["REQUIRED"]: {given!r} is no date')


def _function(name: str, given: Any) -> Any:
    if isinstance(given, str):
        given = _imported(name, given)
    if given is not None and not callable(given):
        raise ImproperlyConfigured(f'FERROTP["{name}"] must be a function, or the path of one')
    return given


def _imported(name: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f'FERROTP["{name}"]: {error}') from None
