"""`FlaskMFA`: what an application calls."""

import importlib
import os
from collections.abc import Callable
from typing import Any

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ..mfa import (
    MFA,
    EnrollmentLost,
    Event,
    Policy,
    SealedRecordError,
    StoreUnavailable,
    UserId,
    audit_chain,
    user_id_text,
)
from ..web import (
    Gate,
    SetupError,
    StepError,
    Texts,
    UserSessions,
    absolute_store,
    check_secret_key,
    check_store,
    open_mfa,
)
from ..web.setup import check_settings
from . import auth
from .commands import add_commands
from .languages import texts_of
from .rendering import check_base_template, sign_in_form, unavailable
from .views import blueprint

_DEFAULTS: dict[str, Any] = {
    "FERROTP_MODE": "optional",
    "FERROTP_URL_PREFIX": "/mfa",
    "FERROTP_BASE_TEMPLATE": "ferrotp/base.html",
    "FERROTP_LOGIN_VIEW": None,
    "FERROTP_AFTER_LOGIN": "/",
    "FERROTP_FRESH_SECONDS": 600,
    "FERROTP_LANG": None,
    "FERROTP_STORE": None,
    "FERROTP_ISSUER": None,
    "FERROTP_KEYS": None,
    "FERROTP_TENANT": None,
    "FERROTP_AUDIT": False,
}


class FlaskMFA:
    """The second factor of a Flask application, with Flask-Login or without it.

    :param app: the application; or call `init_app` later
    :param mfa: the service; None makes one from ``FERROTP_STORE``, ``FERROTP_ISSUER`` and ``FERROTP_KEYS``
    :param policy: for the service that is made so
    :param on_event: likewise: `Notifier` is one, for the application's mail
    :param on_login: logs the user in, without Flask-Login: called with the user id after the second factor
    :param current_user_id: who is logged in for the application, without Flask-Login. None: what this extension says
    :param account_name: a user's name or address, where a login began elsewhere (a cookie that remembers)
    :param user_id: gives the immutable id of a user object of Flask-Login's, where ``get_id()`` is an alternative id,
        which changes with the password. None: the primary key of a model of SQLAlchemy's, otherwise ``get_id()``
    :param load_user: gives the user object of such an id, or None. None: Flask-Login's ``user_loader``, which takes
        what ``get_id()`` gives
    :param tenant: whose users are asked for: a name, or a function that knows it by the request. None: the
        ``FERROTP_TENANT`` of the configuration, or what the service has
    :param required: for whom a second factor is an obligation in mode "optional": called with the user id
    :param passkey_required: who must have a passkey: called with the user id. Such a user is led to add one, and once
        there is one, codes are not accepted any more
    :param verify_password: whether this is the user's password: called with user id and password. With it, a user who
        has no second factor yet and is asked again who it is gets a page for the password. Without it, that is your
        login page, which then has to ask those who are logged in, too. Limit the attempts as your login does
    :param may_sign_in: whether a user who signs in by a passkey alone is there, and may log in: called with the user
        id. With Flask-Login, such a user is loaded and has to be active in any case; without it, this is needed
    :param sessions: lists the sessions of a user, and ends one, where the application keeps them on the server: the
        settings page shows them then
    :param language: of the pages: a tag (``de``), or a function that says it for the request. None: ``FERROTP_LANG``,
        or what Flask-Babel has chosen

    :raises SetupError: from `init_app`, if the application cannot start like this
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        mfa: MFA | None = None,
        policy: Policy | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_login: Callable[[str], object] | None = None,
        current_user_id: Callable[[], UserId | None] | None = None,
        account_name: Callable[[str], str] | None = None,
        user_id: Callable[[Any], UserId] | None = None,
        load_user: Callable[[str], Any] | None = None,
        tenant: str | Callable[[], str] | None = None,
        required: Callable[[str], object] | None = None,
        passkey_required: Callable[[str], object] | None = None,
        verify_password: Callable[[str, str], object] | None = None,
        may_sign_in: Callable[[str], object] | None = None,
        sessions: UserSessions | None = None,
        language: str | Callable[[], object] | None = None,
    ) -> None:
        self._mfa = mfa
        self._policy = policy
        self._on_event = on_event
        self._on_login = on_login
        self._current_user_id = current_user_id
        self._account_name = account_name
        self._stable_id = user_id
        self._load_user = load_user
        self._tenant = tenant
        self._required = required
        self._passkey_required = passkey_required
        self._verify_password = verify_password
        self._may_sign_in = may_sign_in
        self._sessions = sessions
        self._language = language
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, mfa: MFA | None = None) -> None:
        """Adds the pages, and looks whether the application can start like this."""
        for name, value in _DEFAULTS.items():
            app.config.setdefault(name, value)
        config = app.config
        if self._current_user_id is not None and self._stable_id is not None:
            raise SetupError(
                "user_id is for users of Flask-Login; current_user_id says the id itself: pass one of them."
            )
        if not app.testing:
            check_secret_key(app.secret_key)
        check_base_template(app, config["FERROTP_BASE_TEMPLATE"])
        texts = texts_of(app, self._language)
        mfa = mfa or self._mfa
        if mfa is None and not config["FERROTP_KEYS"] and not os.environ.get("FERROTP_KEYS"):
            check_settings(config["FERROTP_STORE"], config["FERROTP_ISSUER"])
            # `flask db`, a shell and tests do without keys, and so the application starts. It serves nothing.
            app.logger.warning("FERROTP_KEYS is not set: the application starts, and answers no request without keys")
            app.extensions["ferrotp"] = auth.Later(lambda: self._state(app, None, texts))
        else:
            app.extensions["ferrotp"] = self._state(app, mfa, texts)
        policy = mfa.policy if mfa is not None else self._policy
        passkeys = policy.passkeys if policy is not None else None
        if passkeys is not None and passkeys.sign_in and self._on_login is not None and self._may_sign_in is None:
            raise SetupError(auth.MAY_SIGN_IN_MISSING)
        app.register_blueprint(blueprint(passkeys=passkeys), url_prefix=config["FERROTP_URL_PREFIX"])
        app.jinja_env.globals["ferrotp_sign_in"] = sign_in_form
        app.before_request(auth.require_login_everywhere)
        add_commands(app)
        audit_chain.providers["flask"] = auth.audit_context
        # A view that asks the service something (`begin_login` does) may find the store away.
        app.register_error_handler(StoreUnavailable, unavailable)
        app.register_error_handler(SealedRecordError, unavailable)
        app.register_error_handler(EnrollmentLost, unavailable)
        try:
            signals = importlib.import_module("flask_login.signals")
        except ImportError:
            return
        signals.user_logged_out.connect(_logged_out, app)

    def _state(self, app: Flask, mfa: MFA | None, texts: Texts) -> auth.State:
        config = app.config
        if mfa is None:
            store = config["FERROTP_STORE"]
            mfa = open_mfa(
                store=store and absolute_store(store, app.instance_path, "FERROTP_STORE"),
                issuer=config["FERROTP_ISSUER"],
                keys=config["FERROTP_KEYS"],
                policy=self._policy,
                on_event=self._on_event,
                audit=bool(config["FERROTP_AUDIT"]),
            )
        tenant = self._tenant or config["FERROTP_TENANT"]
        if tenant is not None:
            mfa = mfa.for_tenant(tenant)
        check_store(mfa)
        return auth.State(
            Gate(
                mfa,
                mode=config["FERROTP_MODE"],
                required=self._required,
                passkey_required=self._passkey_required,
                fresh_seconds=config["FERROTP_FRESH_SECONDS"],
                clock=mfa.clock,
            ),
            texts,
            self._on_login,
            self._current_user_id,
            self._account_name,
            self._stable_id,
            self._load_user,
            self._verify_password,
            self._may_sign_in,
            self._sessions,
        )

    @property
    def mfa(self) -> MFA:
        """The service."""
        return auth.state().gate.mfa

    @property
    def user_id(self) -> str | None:
        """Who is logged in, by as many factors as there are; None in a half-login, and where the login has ended."""
        try:
            return auth.state().gate.require_login(auth.current_login()).user_id
        except StepError:
            return None

    def begin_login(
        self,
        user_id: UserId,
        account_name: str,
        *,
        next_url: str | None = None,
        remember: bool = False,
        enrolled: bool = False,
    ) -> ResponseReturnValue:
        """Call it when the password was right, and return what it gives: a redirect to the challenge, to set-up, or
        straight on. Any login that this session had is over.

        :param user_id: immutable and never used again: the primary key, and no address or login name
        :param account_name: as the user knows the account: an address, for one
        :param next_url: where to go afterwards, if it is on this site
        :param remember: handed to Flask-Login's ``login_user``
        :param enrolled: whether the application's own record says that the user has a second factor
        :raises InvalidIdentifier: if the id is none
        :raises SetupError: if Flask-Login does not find the user by it
        :raises EnrollmentLost: if the application knows of a second factor, and the store does not: answered 503
        """
        user_id = user_id_text(user_id)
        here = auth.state()
        auth.check_flask_login(here, user_id)
        step = here.gate.begin(
            user_id,
            account_name,
            next_url=request.args.get("next") if next_url is None else next_url,
            remember=remember,
            enrolled=enrolled,
            device_token=auth.device_token(user_id),
        )
        auth.log_out()
        if step.next_page == "done":
            try:
                return auth.complete_login(here, step.login, step.device)
            except StepError as error:
                return auth.redirect_to_step(error)
        auth.renew_session()
        auth.save_login(step.login)
        return redirect(url_for(auth.PAGES[step.next_page]), 303)

    def end_login(self) -> None:
        """Ends a login or half-login. Call it where the application logs out; Flask-Login's ``logout_user`` does so by
        itself."""
        auth.end_login()


def _logged_out(sender: object, **more: object) -> None:
    auth.end_login()
