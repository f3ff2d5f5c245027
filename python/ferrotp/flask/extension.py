"""`FlaskMFA`: what an application calls. It keeps a `Login` in Flask's session and asks a `Gate` for each step."""

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar, cast

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..mfa import MFA, DeviceToken, Event, MFAError, Policy, SealedRecordError, StoreUnavailable
from ..web import (
    Gate,
    Login,
    LoginRequired,
    NotFresh,
    SecondFactorRequired,
    Texts,
    check_secret_key,
    check_store,
    device_cookie,
    open_mfa,
    safe_next,
)
from ..web.pages import problem
from ..web.texts import Translate

_P = ParamSpec("_P")
_R = TypeVar("_R")

KEY = "_ferrotp"
MESSAGE = "_ferrotp_message"

_DEFAULTS: dict[str, Any] = {
    "FERROTP_MODE": "optional",
    "FERROTP_URL_PREFIX": "/mfa",
    "FERROTP_BASE_TEMPLATE": "ferrotp/base.html",
    "FERROTP_LOGIN_VIEW": None,
    "FERROTP_AFTER_LOGIN": "/",
    "FERROTP_FRESH_SECONDS": 600,
    "FERROTP_LANG": "en",
    "FERROTP_STORE": None,
    "FERROTP_ISSUER": None,
    "FERROTP_KEYS": None,
}


@dataclass(frozen=True)
class State:
    """What belongs to one application."""

    extension: "FlaskMFA"
    gate: Gate
    texts: Texts


class FlaskMFA:
    """The second factor of a Flask application, with Flask-Login or without it.

    :param app: the application; or call `init_app` later
    :param mfa: the service; None makes one from ``FERROTP_STORE``, ``FERROTP_ISSUER`` and ``FERROTP_KEYS``
    :param policy: for the service that is made so
    :param on_event: likewise: `Notifier` is one, for the application's mail
    :param on_login: logs the user in, without Flask-Login: called with the user id after the second factor
    :param current_user_id: who is logged in for the application, without Flask-Login. None: what this extension says
    :param account_name: a user's name or address, where a login began elsewhere (a cookie that remembers)
    :param translate: the pages' words in other languages; see `ferrotp.web.texts`

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
        current_user_id: Callable[[], str | None] | None = None,
        account_name: Callable[[str], str] | None = None,
        translate: Translate | None = None,
    ) -> None:
        self._mfa = mfa
        self._policy = policy
        self._on_event = on_event
        self._on_login = on_login
        self._current_user_id = current_user_id
        self._account_name = account_name
        self._translate = translate
        self._exempt: set[Callable[..., Any]] = set()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, mfa: MFA | None = None) -> None:
        """Adds the pages, and looks whether the application can start like this."""
        from .views import blueprint

        for name, value in _DEFAULTS.items():
            app.config.setdefault(name, value)
        config = app.config
        if not app.testing:
            check_secret_key(app.secret_key)
        mfa = mfa or self._mfa
        if mfa is None:
            mfa = open_mfa(
                store=config["FERROTP_STORE"],
                issuer=config["FERROTP_ISSUER"],
                keys=config["FERROTP_KEYS"],
                policy=self._policy,
                on_event=self._on_event,
            )
        check_store(mfa)
        gate = Gate(mfa, mode=config["FERROTP_MODE"], fresh_seconds=config["FERROTP_FRESH_SECONDS"], clock=mfa.clock)
        app.extensions["ferrotp"] = State(self, gate, Texts(self._translate))
        app.register_blueprint(blueprint(), url_prefix=config["FERROTP_URL_PREFIX"])
        app.before_request(self._guard)
        # A view that asks the service something (`begin_login` does) may find the store away.
        app.register_error_handler(StoreUnavailable, self._failed)
        app.register_error_handler(SealedRecordError, self._failed)
        try:
            signals = importlib.import_module("flask_login.signals")
        except ImportError:
            return
        signals.user_logged_out.connect(self._logged_out, app)

    # For the application

    @property
    def mfa(self) -> MFA:
        """The service."""
        return state().gate.mfa

    @property
    def user_id(self) -> str | None:
        """Who is logged in, by as many factors as there are; None in a half-login."""
        login = self.login
        return login.user_id if login is not None and login.stage == "full" else None

    def begin_login(
        self, user_id: str, account_name: str, *, next_url: str | None = None, remember: bool = False
    ) -> ResponseReturnValue:
        """Call it when the password was right, and return what it gives: a redirect to the challenge, to set-up, or
        straight on. Any login that this session had is over.

        :param account_name: as the user knows the account: an address, for one
        :param next_url: where to go afterwards, if it is on this site
        :param remember: handed to Flask-Login's ``login_user``
        """
        gate = state().gate
        step = gate.begin(
            user_id,
            account_name,
            next_url=request.args.get("next") if next_url is None else next_url,
            remember=remember,
            device_token=request.cookies.get(device_cookie(user_id)),
        )
        self._end_other_login()
        if step.next_page == "done":
            return self.complete_login(step.login, step.device)
        self.renew_session()
        self.save_login(step.login)
        return redirect(url_for(_PAGES[step.next_page]), 303)

    def end_session(self) -> None:
        """Ends a login or half-login. Call it where the application logs out; Flask-Login's ``logout_user`` does so by
        itself."""
        session.pop(KEY, None)
        session.pop(MESSAGE, None)
        g.pop(KEY, None)

    def required(self, view: Callable[_P, _R]) -> Callable[_P, _R]:
        """A view for whoever has passed the second factor. Others are led there: to the password, to the challenge, to
        set-up."""
        return self._gated(view, lambda login: state().gate.passed(login))

    def fresh_required(self, view: Callable[_P, _R]) -> Callable[_P, _R]:
        """A view for whoever has passed it within the last ``FERROTP_FRESH_SECONDS``. Others are asked again."""

        def check(login: Login | None) -> Login:
            return state().gate.fresh(state().gate.passed(login))

        return self._gated(view, check)

    def exempt(self, view: Callable[_P, _R]) -> Callable[_P, _R]:
        """A view that Flask-Login's users may have without the second factor: one that takes API tokens, for one."""
        self._exempt.add(view)
        return view

    # For the pages

    @property
    def login(self) -> Login | None:
        """The login of this session, if it lives and is of the user that the application knows."""
        if KEY not in g:
            setattr(g, KEY, self._find())
        return cast("Login | None", g.get(KEY))

    def save_login(self, login: Login) -> None:
        """Into the session."""
        session[KEY] = login.dump()
        setattr(g, KEY, login)

    def complete_login(self, login: Login, device: DeviceToken | None = None) -> ResponseReturnValue:
        """The login is done: lets the application know, and goes on."""
        self.promote(login)
        where = login.next or current_app.config["FERROTP_AFTER_LOGIN"]
        response = cast(Response, redirect(_place(where), 303))
        return self.with_device(login.user_id, response, device)

    def promote(self, login: Login) -> None:
        """Makes a login that has passed the session's own, under a new id, and lets the application know."""
        before = self.login
        self.renew_session()
        self.save_login(replace(login, next="", remember=False))
        if before is not None and before.stage == "full":
            return  # it was asked again
        if self._on_login is not None:
            self._on_login(login.user_id)
        elif (manager := _login_manager()) is not None:
            flask_login = importlib.import_module("flask_login")
            user = manager._user_callback(login.user_id)
            if user is None or not flask_login.login_user(user, remember=login.remember):
                self.end_session()
                raise LoginRequired

    def log_out(self) -> ResponseReturnValue:
        """Logs out, and goes to the login page."""
        self._end_other_login()
        self.end_session()
        return redirect(self.login_page(), 303)

    def lockout(self) -> None:
        """Ends the login that ran into a lockout."""
        self._end_other_login()
        self.end_session()

    def login_page(self, next_url: str = "") -> str:
        """The application's login page, or "" if it has named none."""
        manager = _login_manager()
        view = current_app.config["FERROTP_LOGIN_VIEW"] or (manager.login_view if manager else None)
        if not view:
            return ""
        return _place(view, **({"next": next_url} if next_url else {}))

    @staticmethod
    def renew_session() -> None:
        """A new session id, where ids are (Flask-Session); and a new token against forged requests in any case."""
        name = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
        session.pop(name, None)
        g.pop(name, None)  # Flask-WTF keeps it there for the rest of the request
        regenerate = getattr(current_app.session_interface, "regenerate", None)
        if regenerate is not None:
            regenerate(session)

    @staticmethod
    def with_device(user_id: str, response: Response, device: DeviceToken | None) -> Response:
        """Gives the browser the token of a trusted device."""
        if device is not None:
            config = current_app.config
            response.set_cookie(
                device_cookie(user_id),
                device.token,
                expires=device.expires_at,
                secure=request.is_secure or bool(config["SESSION_COOKIE_SECURE"]),
                httponly=True,
                samesite="Lax",
                path=config["SESSION_COOKIE_PATH"] or config["APPLICATION_ROOT"],
            )
            response.headers["Cache-Control"] = "no-store"
        return response

    @contextmanager
    def redirecting_to_step(self) -> Iterator[None]:
        """Whoever may not take this step is led to the one that comes before it."""
        try:
            yield
        except (LoginRequired, SecondFactorRequired, NotFresh) as no:
            abort(self._redirect_to_step(no))

    def application_user(self) -> str | None:
        """Who is logged in for the application; None for nobody, or if it has not told how to find out."""
        if self._current_user_id is not None:
            return self._current_user_id()
        if _login_manager() is None:
            return None
        user = importlib.import_module("flask_login").current_user
        return str(user.get_id()) if user.is_authenticated else None

    # Below

    def _find(self) -> Login | None:
        gate = state().gate
        login = gate.load(session.get(KEY))
        if self._current_user_id is None and _login_manager() is None:
            return login
        user = self.application_user()
        if login is not None and login.user_id != user and (user is not None or login.stage == "full"):
            login = None
        if login is None and user is not None:
            # By a way that did not lead past the gate: a cookie that remembers, a password reset, a line of the
            # application that calls login_user.
            name = self._account_name(user) if self._account_name else user
            try:
                login = gate.again(user, name).login
            except LoginRequired:
                return None
            session[KEY] = login.dump()
        return login

    def _gated(self, view: Callable[_P, _R], check: Callable[[Login | None], Login]) -> Callable[_P, _R]:
        @functools.wraps(view)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self.redirecting_to_step():
                check(self.login)
            return cast(_R, current_app.ensure_sync(view)(*args, **kwargs))

        return wrapper

    def _guard(self) -> ResponseReturnValue | None:
        """Every way in is gated alike: whom the application says to be logged in has passed the second factor."""
        endpoint = request.endpoint or ""
        if not endpoint or endpoint == "static" or endpoint.endswith(".static") or endpoint.startswith("ferrotp."):
            return None
        login_views = (current_app.config["FERROTP_LOGIN_VIEW"], getattr(_login_manager(), "login_view", None))
        if endpoint in login_views or request.path in login_views:
            return None
        if current_app.view_functions.get(endpoint) in self._exempt or self.application_user() is None:
            return None
        gate = state().gate
        with self.redirecting_to_step():
            login = gate.inside(self.login)
            if gate.mode == "required":
                gate.passed(login)
        return None

    def _redirect_to_step(self, no: LoginRequired | SecondFactorRequired | NotFresh) -> Response:
        best = request.accept_mimetypes.best_match(["text/html", "application/json"])
        if best == "application/json" or request.is_json:
            response = jsonify(error=_NAMES[type(no)])
            response.status_code = 401
            return response
        here = safe_next(request.full_path.rstrip("?")) if request.method == "GET" else ""
        if isinstance(no, LoginRequired) or no.next_page == "password":
            if isinstance(no, LoginRequired):
                self._end_other_login()
            page = self.login_page(here)
            return cast(Response, redirect(page, 303)) if page else Response(state().texts("error.gone"), 401)
        login = self.login
        if login is not None and here:
            self.save_login(replace(login, next=here))
        return cast(Response, redirect(url_for(_PAGES[no.next_page]), 303))

    def _end_other_login(self) -> None:
        if _login_manager() is not None:
            flask_login = importlib.import_module("flask_login")
            if flask_login.current_user.is_authenticated:
                flask_login.logout_user()
        if self._current_user_id is not None and self._current_user_id() is not None:
            session.clear()  # how the application keeps its user there is not known here
        self.end_session()

    def _logged_out(self, sender: object, **more: object) -> None:
        self.end_session()

    @staticmethod
    def _failed(error: MFAError) -> ResponseReturnValue:
        what = problem(error, state().texts, state().gate.now())
        return render("unavailable", error=what.message, status=what.status, retry_after=what.retry_after)


_PAGES = {"challenge": "ferrotp.challenge", "recover": "ferrotp.recover", "set-up": "ferrotp.set_up"}
_NAMES = {
    LoginRequired: "login_required",
    SecondFactorRequired: "second_factor_required",
    NotFresh: "fresh_authentication_required",
}


def state() -> State:
    """Of the current application."""
    return cast(State, current_app.extensions["ferrotp"])


def render(template: str, *, status: int = 200, retry_after: int | None = None, **values: Any) -> Response:
    """One of the pages."""
    from flask_wtf.csrf import generate_csrf  # type: ignore[import-untyped]

    config = current_app.config
    html = render_template(
        f"ferrotp/{template}.html",
        t=state().texts,
        csrf=generate_csrf,
        csrf_field=config.get("WTF_CSRF_FIELD_NAME", "csrf_token"),
        ferrotp_base=config["FERROTP_BASE_TEMPLATE"],
        ferrotp_lang=config["FERROTP_LANG"],
        **values,
    )
    response = Response(html, status)
    response.headers["Cache-Control"] = "no-store"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _login_manager() -> Any:
    return getattr(current_app, "login_manager", None)


def _place(where: str, **query: str) -> str:
    """A URL, for the name of a view or for a path."""
    if where.startswith("/"):
        from urllib.parse import urlencode

        return where + ("?" + urlencode(query) if query else "")
    return url_for(where, **cast(Any, query))
