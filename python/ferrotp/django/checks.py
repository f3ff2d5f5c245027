"""What `manage.py check` says of a set-up that cannot hold the guarantees."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, router
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from ferrotp.mfa import MFAError, UnknownKey

from .conf import conf, is_testing, keyring_fault, raw
from .service import get_mfa
from .texts import texts

_MAKE_KEY = "Make one with: manage.py ferrotp_keys --new. Keep it out of the code and of the database."


def register() -> None:
    """When the applications are loaded."""
    checks.register(check_settings, checks.Tags.security)
    checks.register(check_stores, checks.Tags.security)
    checks.register(check_middleware, checks.Tags.security)
    checks.register(check_tenants, checks.Tags.security)
    checks.register(check_apis, checks.Tags.security)
    checks.register(check_keys, checks.Tags.database)
    checks.register(check_durability, checks.Tags.database)
    checks.register(check_groups, checks.Tags.database)


def check_settings(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Keys, names, numbers, cookies, and the pages' place."""
    from django.contrib.auth.backends import ModelBackend  # wants its models

    found: list[checks.CheckMessage] = []
    try:
        given = conf()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="ferrotp.E001")]
    if not given.issuer:
        hint = "The name of the site, as authenticator apps show it."
        found.append(checks.Error('FERROTP["ISSUER"] is not set.', hint=hint, id="ferrotp.E002"))
    fault = keyring_fault()
    if fault:
        found.append(checks.Error(f"There is no usable keyring: {fault}", hint=_MAKE_KEY, id="ferrotp.E003"))
    elif isinstance(raw()["KEYS"], str) and settings.SECRET_KEY in raw()["KEYS"]:
        found.append(checks.Error("A key of the keyring is SECRET_KEY.", hint=_MAKE_KEY, id="ferrotp.E003"))
    found += [
        checks.Error(
            f'FERROTP["EXEMPT_BACKENDS"] has {path}: the password alone lets in.',
            hint="Name backends of a single sign-on that asks for a second factor itself.",
            id="ferrotp.E017",
        )
        for path in given.exempt_backends
        if import_string(path) is ModelBackend
    ]
    if not settings.DEBUG and not settings.SESSION_COOKIE_SECURE and not _testing():
        hint = "Set SESSION_COOKIE_SECURE = True: a session that travels in clear is worth a password and a code."
        found.append(checks.Warning("SESSION_COOKIE_SECURE is off.", hint=hint, id="ferrotp.W001"))
    if _adapted():
        return found
    hint = "Translate all of ferrotp.pot: a page in two languages is none."
    found += [checks.Warning(fault, hint=hint, id="ferrotp.W007") for fault in texts.catalogues.faults()]
    try:
        get_template(given.base_template)
    except TemplateDoesNotExist:
        message = f'FERROTP["BASE_TEMPLATE"] names {given.base_template!r}, which is no template of this site.'
        found.append(checks.Error(message, id="ferrotp.E015"))
    except Exception:  # noqa: S110 - the templates have a fault of their own, which Django tells
        pass
    try:
        reverse("ferrotp:challenge")
    except NoReverseMatch:
        hint = 'Add path("mfa/", include("ferrotp.django.urls")) to the URLs.'
        found.append(checks.Error("The pages of ferrotp have no URLs.", hint=hint, id="ferrotp.E004"))
    except Exception:  # noqa: S110 - the URLs have a fault of their own, which Django's checks tell
        pass
    return found


def check_stores(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Whether what is decided, and who has passed, is kept where it can be relied on."""
    found: list[checks.CheckMessage] = []
    try:
        given = conf()
    except ImproperlyConfigured:
        return []
    if given.store == "memory":
        if not _testing():
            hint = "Leave STORE out, and the second factors are in the site's database."
            found.append(checks.Error('FERROTP["STORE"] is "memory": for tests only.', hint=hint, id="ferrotp.E005"))
    elif given.store == "django":
        found += _check_database(given.database)
    elif given.issuer and not keyring_fault():
        try:
            get_mfa()
        except (ImproperlyConfigured, MFAError) as error:
            found.append(checks.Error(f'FERROTP["STORE"]: {error}.', id="ferrotp.E016"))
    return found + _check_sessions()


def _check_database(alias: str) -> list[checks.CheckMessage]:
    if alias not in connections.settings:
        return [checks.Error(f'FERROTP["DATABASE"] names {alias!r}, which is not in DATABASES.', id="ferrotp.E006")]
    connection: Any = connections[alias]
    if connection.vendor not in ("sqlite", "postgresql", "mysql"):
        hint = 'SQLite, PostgreSQL, MariaDB and MySQL are: name the alias of one by FERROTP["DATABASE"].'
        message = f"{connection.display_name} is no database that passes the store's tests."
        return [checks.Error(message, hint=hint, id="ferrotp.E007")]
    if connection.vendor == "sqlite":
        if connection.is_in_memory_db() and not _testing():
            return [checks.Error("The database is in memory, and lost with its process.", id="ferrotp.E008")]
        if connection.settings_dict["ATOMIC_REQUESTS"]:
            hint = (
                "SQLite has one lock: a view that has written cannot have a code checked. Decorate such views with "
                'transaction.non_atomic_requests, or give FERROTP["DATABASE"] a file of its own.'
            )
            return [checks.Warning("ATOMIC_REQUESTS is on, with SQLite.", hint=hint, id="ferrotp.W002")]
    return []


def _check_sessions() -> list[checks.CheckMessage]:
    engine = settings.SESSION_ENGINE
    if engine.endswith("signed_cookies"):
        hint = "With sessions in the database or a cache, logging out ends them."
        message = "Sessions are in cookies: a copy of one that has passed the second factor cannot be ended."
        return [checks.Warning(message, hint=hint, id="ferrotp.W003")]
    if engine.endswith((".cache", ".cached_db")):
        backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
        if backend.endswith(("LocMemCache", "DummyCache")) and not _testing():
            hint = "Take a cache that all processes share, or django.contrib.sessions.backends.db."
            message = f"Sessions are in {backend.rpartition('.')[2]}: other processes do not know who has passed."
            kind = checks.Warning if settings.DEBUG else checks.Error
            return [kind(message, hint=hint, id="ferrotp.E009")]
    return []


def check_keys(
    app_configs: Any = None, databases: Sequence[str] | None = None, **more: Any
) -> list[checks.CheckMessage]:
    """Whether the keyring is that of the store: with ``manage.py check --database``, and before ``migrate``."""
    if not databases:
        return []
    try:
        get_mfa().check()
    except UnknownKey as error:
        hint = "Look which keyring this process has (manage.py ferrotp_keys), and put the key back behind the others."
        return [checks.Error(f"No second factor can be checked: {error}.", hint=hint, id="ferrotp.E014")]
    except (MFAError, ImproperlyConfigured):
        pass  # there are no tables yet, or other checks tell of it
    return []


def check_durability(
    app_configs: Any = None, databases: Sequence[str] | None = None, **more: Any
) -> list[checks.CheckMessage]:
    """Whether MySQL or MariaDB keeps what it says it has committed: with ``manage.py check --database``."""
    try:
        given = conf()
    except ImproperlyConfigured:
        return []
    alias = given.database
    if given.store != "django" or alias not in (databases or ()) or connections[alias].vendor != "mysql":
        return []
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.log_bin, @@GLOBAL.sync_binlog")
        flush, has_log, sync = cursor.fetchone()
    if flush == 1 and (not has_log or sync == 1):
        return []
    hint = "Set innodb_flush_log_at_trx_commit = 1 and, with a binary log, sync_binlog = 1 for the server."
    message = "The database may lose commits when its machine stops: a code that is lost is accepted twice."
    return [checks.Warning(message, hint=hint, id="ferrotp.W005")]


def check_groups(
    app_configs: Any = None, databases: Sequence[str] | None = None, **more: Any
) -> list[checks.CheckMessage]:
    """Whether the groups of ``REQUIRED`` are there: with ``manage.py check --database``, and before ``migrate``."""
    try:
        groups = {rule.group for rule in conf().required if rule.group}
    except ImproperlyConfigured:
        return []
    if not groups or not apps.is_installed("django.contrib.auth"):
        return []
    model = apps.get_model("auth", "Group")
    alias = router.db_for_read(model)
    if alias not in (databases or ()):
        return []
    try:
        there = set(model._base_manager.using(alias).filter(name__in=groups).values_list("name", flat=True))
    except DatabaseError:  # there are no tables yet
        return []
    return [
        checks.Warning(
            f'FERROTP["REQUIRED"] names the group {group!r}, which is not there: that rule is about nobody.',
            id="ferrotp.W006",
        )
        for group in sorted(groups - there)
    ]


def check_tenants(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Whether the second factors of the customers of django-tenants stay apart, as its users do."""
    if not apps.is_installed("django_tenants"):
        return []
    try:
        given = conf()
    except ImproperlyConfigured:
        return []
    each = given.store == "django" and _is_of_each_tenant("ferrotp.django", "ferrotp")
    users_app = apps.get_app_config(settings.AUTH_USER_MODEL.split(".")[0])
    users_each = _is_of_each_tenant(users_app.name, users_app.label)
    if users_each and not each and not callable(given.tenant):
        hint = 'Give FERROTP["TENANT"] a function that returns connection.schema_name; or list it in TENANT_APPS.'
        message = "The second factors are in SHARED_APPS, and user 1 of one tenant is user 1 of every other."
        return [checks.Error(message, hint=hint, id="ferrotp.E012")]
    if not users_each and (each or callable(given.tenant)):
        hint = 'Keep ferrotp.django where the users are: in SHARED_APPS, and without a function as FERROTP["TENANT"].'
        message = (
            "Tenants share their users, and a second factor of one tenant is none of another: the password lets in."
        )
        return [checks.Error(message, hint=hint, id="ferrotp.E013")]
    return []


def _is_of_each_tenant(name: str, label: str) -> bool:
    """Whether an application's tables are in each tenant's schema."""
    listed = getattr(settings, "TENANT_APPS", ())
    # By its name, or by the path of its configuration.
    return any(entry in (name, label) or entry.startswith(f"{name}.") for entry in listed)


def check_middleware(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Whether the middleware is there, behind all that logs users in."""
    from django.contrib.auth.middleware import AuthenticationMiddleware
    from django.contrib.sessions.middleware import SessionMiddleware

    from .middleware import MFAMiddleware

    if _adapted():
        return []
    classes = _middleware(settings.MIDDLEWARE)
    ours = [place for place, one in enumerate(classes) if _is(one, MFAMiddleware)]
    hint = 'Put "ferrotp.django.middleware.MFAMiddleware" right behind AuthenticationMiddleware.'
    if not ours:
        message = "MFAMiddleware is missing: nothing is gated."
        return [checks.Error(message, hint=hint, id="ferrotp.E010")]
    for needed in (SessionMiddleware, AuthenticationMiddleware):
        if not any(_is(class_, needed) for class_ in classes[: ours[0]]):
            message = f"MFAMiddleware must come after {needed.__name__}."
            return [checks.Error(message, hint=hint, id="ferrotp.E011")]
    early = [
        class_.__name__ for class_ in classes[: ours[0]] if getattr(class_, "__name__", "") == "LoginRequiredMiddleware"
    ]
    if early:
        hint = 'Put it behind "ferrotp.django.middleware.MFAMiddleware".'
        message = "MFAMiddleware must come before LoginRequiredMiddleware."
        return [checks.Error(message, hint=hint, id="ferrotp.E011")]
    late = [
        class_.__name__ for class_ in classes[ours[0] :] if isinstance(class_, type) and "RemoteUser" in class_.__name__
    ]
    if late:
        message = f"{late[0]} logs users in behind MFAMiddleware."
        return [checks.Error(message, hint="Put it before MFAMiddleware.", id="ferrotp.E011")]
    return []


_PASSWORD_VIEWS = {
    ("rest_framework.authtoken.views", "ObtainAuthToken"),
    ("rest_framework_simplejwt.views", "TokenObtainPairView"),
    ("rest_framework_simplejwt.views", "TokenObtainSlidingView"),
    ("oauth2_provider.views.base", "TokenView"),
}
"""Views that give a token for the password alone."""


def check_apis(app_configs: Any = None, **more: Any) -> list[checks.CheckMessage]:
    """Ways in by the password alone that never meet the middleware: Django REST framework's Basic authentication, and
    views that give a token for a password."""
    found: list[checks.CheckMessage] = []
    if apps.is_installed("rest_framework"):
        defaults = import_string("rest_framework.settings.api_settings").DEFAULT_AUTHENTICATION_CLASSES
        basic = import_string("rest_framework.authentication.BasicAuthentication")
        if any(_is(class_, basic) for class_ in defaults):
            hint = (
                'Name others in REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"], SessionAuthentication for one: Basic'
                " is its default."
            )
            message = "Django REST framework lets users in by Basic authentication, with the password alone."
            found.append(checks.Warning(message, hint=hint, id="ferrotp.W003"))
    try:
        routes = [*_password_routes(get_resolver().url_patterns, "")]
    except Exception:  # the URLs have a fault of their own, which Django's checks tell
        routes = []
    for route, name in routes:
        hint = (
            "Give the token after the second factor, in a view behind mfa_required; or silence this where it does so."
        )
        message = f"{name} at '{route}' gives a token for the password alone."
        found.append(checks.Warning(message, hint=hint, id="ferrotp.W004"))
    return found


def _password_routes(patterns: Sequence[Any], prefix: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _password_routes(pattern.url_patterns, route)
            continue
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        kinds = view.__mro__ if isinstance(view, type) else ()
        if any((kind.__module__, kind.__name__) in _PASSWORD_VIEWS for kind in kinds):
            yield route, kinds[0].__name__


def _middleware(paths: Sequence[str]) -> list[Any]:
    found = []
    for path in paths:
        try:
            found.append(import_string(path))
        except ImportError:
            found.append(None)  # Django says so itself
    return found


def _is(one: Any, kind: type) -> bool:
    return isinstance(one, type) and issubclass(one, kind)


def _adapted() -> bool:
    """Whether another package has the pages and the gate, and asks ferrotp about codes through an adapter."""
    return any(getattr(config, "ferrotp_adapter", False) for config in apps.get_app_configs())


def _testing() -> bool:
    return is_testing() or not apps.ready
