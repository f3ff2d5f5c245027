"""The login of a request: its record in Flask's session, and the steps from one to the next.

The application has its users by Flask-Login, or by callables of its own; what is known of them is in `State`.
"""

import importlib
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from flask import Response, current_app, g, has_request_context, redirect, request, session, url_for

from ..mfa import AuditContext, DeviceToken, MFAError, PasskeyUnknown, UserId, user_id_text
from ..web import (
    Gate,
    Login,
    LoginRequired,
    NotFresh,
    SessionEnded,
    SetupError,
    StepError,
    Texts,
    UserSessions,
    safe_next,
)
from ..web.login import LOGIN_KEY, LOST_FORM_KEY, MESSAGE_KEY, SIGN_IN_KEY
from ..web.problems import MEDIA_TYPE, problem_of

_NO_STEPS = {
    f"ferrotp.{name}"
    for name in ("settings", "set_up", "add_passkey", "new_codes", "end_sessions", "end_session", "remove")
}
"""Our pages that a user may have wanted: the others are steps of a login."""
PAGES = {
    "challenge": "ferrotp.challenge",
    "recover": "ferrotp.recover",
    "set-up": "ferrotp.set_up",
    "add-passkey": "ferrotp.set_up",  # which leads there itself
}

MAY_SIGN_IN_MISSING = (
    "the policy lets users sign in by a passkey alone, and Flask-Login does not log them in: pass"
    " FlaskMFA(may_sign_in=...), which says whether a user is there and may log in"
)


@dataclass(frozen=True, slots=True)
class State:
    """What belongs to one application."""

    gate: Gate
    texts: Texts
    on_login: Callable[[str], object] | None
    current_user_id: Callable[[], UserId | None] | None
    account_name: Callable[[str], str] | None
    user_id: Callable[[Any], UserId] | None = None
    """The id of a user object of Flask-Login's, that does not change."""
    load_user: Callable[[str], Any] | None = None
    """The user object of such an id."""
    verify_password: Callable[[str, str], object] | None = None
    may_sign_in: Callable[[str], object] | None = None
    sessions: UserSessions | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """For an application that started without keys: what belongs to it is made at the first request."""

    make: Callable[[], State]


def state() -> State:
    """Of the current application.

    :raises SetupError: if it started without keys, and there are still none
    """
    here = current_app.extensions["ferrotp"]
    if isinstance(here, Later):
        here = current_app.extensions["ferrotp"] = here.make()
    return cast(State, here)


# The record


def audit_context() -> AuditContext | None:
    """Who asks, for the rows of the audit."""
    if not has_request_context():
        return None
    return AuditContext(request.remote_addr or "", request.user_agent.string)


def current_login() -> Login | None:
    """The login of this session, if it lives and is of the user whom the application knows."""
    if LOGIN_KEY in g:
        return cast("Login | None", g.get(LOGIN_KEY))
    here = state()
    login = here.gate.load(session.get(LOGIN_KEY))
    if here.current_user_id is not None or hasattr(current_app, "login_manager"):
        user_id = application_user_id(here)
        if login is not None and login.user_id != user_id and (user_id is not None or login.stage == "full"):
            login = None
        if login is None and user_id is not None:
            login = _adopt_login(here, user_id)
    setattr(g, LOGIN_KEY, login)
    return login


def _adopt_login(here: State, user_id: str) -> Login | None:
    name = here.account_name(user_id) if here.account_name else user_id
    try:
        login = here.gate.adopt(user_id, name).login
    except LoginRequired:
        return None
    session[LOGIN_KEY] = login.dump()
    return login


def save_login(login: Login) -> None:
    """Into the session."""
    session[LOGIN_KEY] = login.dump()
    setattr(g, LOGIN_KEY, login)


def end_login() -> None:
    """Takes the login or half-login out of the session, and leaves the rest. Copies of a half-login end, too."""
    gate = state().gate
    gate.cancel(gate.load(session.pop(LOGIN_KEY, None)))
    session.pop(MESSAGE_KEY, None)
    g.pop(LOGIN_KEY, None)


def renew_session() -> None:
    """A new session id, where ids are (Flask-Session); and a new token against forged requests in any case."""
    name = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    session.pop(name, None)
    session.pop(SIGN_IN_KEY, None)
    g.pop(name, None)  # Flask-WTF keeps it there for the rest of the request
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)


# The steps


def promote(here: State, login: Login, *, next_url: str = "") -> None:
    """Makes a login that is done the session's own, under a new id, and lets the application know.

    :param next_url: where to go after one more page
    :raises LoginRequired: if Flask-Login does not let the user in
    """
    before: Login | None = g.get(LOGIN_KEY)
    session.pop(LOST_FORM_KEY, None)
    renew_session()
    save_login(replace(login, next=next_url, remember=None))
    if before is not None and before.stage == "full":
        return  # the user was asked again
    if here.on_login is not None:
        here.on_login(login.user_id)
    elif hasattr(current_app, "login_manager"):
        user = load_user(here, login.user_id)
        flask_login = importlib.import_module("flask_login")
        if user is None or not flask_login.login_user(user, remember=bool(login.remember)):
            end_login()
            raise LoginRequired


def complete_login(here: State, login: Login, device: DeviceToken | None = None) -> Response:
    """The login is done: lets the application know, and goes on."""
    promote(here, login)
    response = redirect(login.next or view_url(current_app.config["FERROTP_AFTER_LOGIN"]), 303)
    if device is not None:
        set_device_cookie(cast(Response, response), login.user_id, device)
    return cast(Response, response)


def sign_in_session() -> str:
    """Names this browser before anybody is logged in."""
    return str(session.setdefault(SIGN_IN_KEY, secrets.token_urlsafe(16)))


def complete_sign_in(here: State, login: Login) -> Response:
    """The login by a passkey alone is done, if the application knows its user and lets it in.

    :raises PasskeyUnknown: if not. The answer is that to a passkey that nobody has
    """
    if here.may_sign_in is not None and not here.may_sign_in(login.user_id):
        raise PasskeyUnknown
    if here.on_login is None and hasattr(current_app, "login_manager"):
        user = load_user(here, login.user_id)
        if user is None or not user.is_active:
            raise PasskeyUnknown
    elif here.may_sign_in is None:
        raise SetupError(MAY_SIGN_IN_MISSING)
    name = here.account_name(login.user_id) if here.account_name else ""
    log_out()
    try:
        return complete_login(here, replace(login, account_name=name or login.user_id))
    except LoginRequired:
        raise PasskeyUnknown from None


def log_out() -> None:
    """Ends any login of this session, the application's too."""
    if hasattr(current_app, "login_manager"):
        importlib.import_module("flask_login").logout_user()  # of one who is hidden, too
    here = state()
    if here.current_user_id is not None and here.current_user_id() is not None:
        session.clear()  # how the application keeps its user there is not known here
    end_login()


def redirect_to_step(error: StepError) -> Response:
    """The answer to a step that comes too early: the page that comes before it; for programs, the problem in JSON."""
    if isinstance(error, SessionEnded):
        log_out()
    if request.is_json or request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        here = state()
        problem = problem_of(error, here.texts, here.gate.now())
        body = current_app.json.dumps(problem.document())
        return Response(body, problem.status, problem.headers(), mimetype=MEDIA_TYPE)
    url = _requested_url()
    if request.method == "POST" and not isinstance(error, LoginRequired):
        url = _form_url()
        session[LOST_FORM_KEY] = True
    else:
        session.pop(LOST_FORM_KEY, None)
    if error.next_page == "password":
        if isinstance(error, LoginRequired):
            log_out()
        login = current_login() if isinstance(error, NotFresh) and state().verify_password else None
        if login is not None:
            save_login(replace(login, next=url))
            return cast(Response, redirect(url_for("ferrotp.password"), 303))
        page = login_page(url)
        return cast(Response, redirect(page, 303)) if page else Response(state().texts("error.gone"), 401)
    login = current_login()
    if login is not None and url:
        save_login(replace(login, next=url))
    return cast(Response, redirect(url_for(PAGES[error.next_page]), 303))


def require_login_everywhere() -> Response | None:
    """Before each view: the user whom the application says to be logged in has passed the second factor, by whatever
    way the login came."""
    endpoint = request.endpoint or ""
    if endpoint == "static" or endpoint.endswith(".static"):
        return None
    if endpoint.startswith("ferrotp."):
        login = current_login()
        if login is not None and login.stage != "full":
            _hide_user()
        return None
    if not endpoint:  # the page of an error, which nobody gates
        _hide_half_login()
        return None
    here = state()  # without keys there is no page at all, the login's neither
    login_views = (current_app.config["FERROTP_LOGIN_VIEW"], _login_view())
    if endpoint in login_views or request.path in login_views:
        return None
    view = current_app.view_functions.get(endpoint)
    if getattr(view, "ferrotp_exempt", False) or application_user_id(here) is None:
        return None
    try:
        here.gate.require_login(current_login())
    except StepError as error:
        return redirect_to_step(error)
    return None


def _hide_half_login() -> None:
    """Makes a user who is logged in but for the second factor nobody, for templates that ask Flask-Login."""
    here = state()
    if application_user_id(here) is None:
        return
    try:
        here.gate.require_login(current_login())
    except (StepError, MFAError):
        _hide_user()


def _hide_user() -> None:
    if hasattr(current_app, "login_manager"):
        g._login_user = current_app.login_manager.anonymous_user()


# The application


def application_user_id(here: State) -> str | None:
    """Who is logged in for the application; None for nobody, or if it has not told how to find out.

    :raises InvalidIdentifier: if it says what is no id
    :raises SetupError: if it is an id of Flask-Login's that may change
    """
    if here.current_user_id is not None:
        user_id = here.current_user_id()
        return None if user_id is None else user_id_text(user_id)
    if not hasattr(current_app, "login_manager"):
        return None
    user = importlib.import_module("flask_login").current_user
    return stable_user_id(here, user._get_current_object()) if user.is_authenticated else None


def stable_user_id(here: State, user: Any) -> str:
    """The id of a user object of Flask-Login's, in the service's text: the application's own word. Without one it is
    the primary key of a model of SQLAlchemy's, and otherwise `get_id()`, if the object's ``id`` is the same.

    `get_id()` may be an "alternative id", which rotates with the password so that sessions end. To the service it would
    be another user each time, who has no second factor, and comes in by the password alone.

    :raises SetupError: if it may be one
    """
    if here.user_id is not None:
        return user_id_text(here.user_id(user))
    sqlalchemy = sys.modules.get("sqlalchemy")  # not loaded: no such model
    model = sqlalchemy.inspect(user, raiseerr=False) if sqlalchemy is not None else None
    identity = getattr(model, "identity", None)  # None outside of the database
    if identity is not None and len(identity) == 1 and identity[0] is not None:
        return user_id_text(identity[0])
    text = user_id_text(user.get_id())
    own = getattr(user, "id", None)
    if own is not None and str(own) != text:
        raise SetupError(
            "Flask-Login's get_id() is not the user's primary key, and an id that may change loses the second factor:"
            " pass FlaskMFA(user_id=...), a function that gives the immutable id of a user object"
        )
    return text


def load_user(here: State, user_id: str) -> Any:
    """The user object of an id of the service's, as the application's own function loads it, or Flask-Login's
    ``user_loader``, which takes what `get_id()` gives; None if there is none.

    :raises SetupError: if it is another user's
    """
    manager: Any = getattr(current_app, "login_manager", None)
    user = (here.load_user or manager._user_callback)(user_id)
    if user is not None and stable_user_id(here, user) != user_id:
        raise SetupError(
            f"{'load_user' if here.load_user else 'user_loader'} gives another user than was asked for: begin_login"
            " takes the id that FlaskMFA(user_id=...) gives, and FlaskMFA(load_user=...) loads the user by it"
        )
    return user


def check_flask_login(here: State, user_id: str) -> None:
    """Whether Flask-Login, if it is what logs in, finds the user again when the second factor is passed.

    :raises SetupError: if not
    """
    is_by_flask_login = here.on_login is None and here.current_user_id is None and hasattr(current_app, "login_manager")
    if is_by_flask_login and load_user(here, user_id) is None:
        raise SetupError(
            "the user of begin_login is not found by the same id: where user_loader takes another one"
            " (get_id() of the user object), pass FlaskMFA(user_id=..., load_user=...)"
        )


def login_page(next_url: str = "") -> str:
    """The application's login page, or "" if it has named none."""
    view = current_app.config["FERROTP_LOGIN_VIEW"] or _login_view()
    if not view:
        return ""
    return view_url(view, **({"next": next_url} if next_url else {}))


def view_url(view: str, **query: str) -> str:
    """The URL of a view's name, or of a path of the application, wherever that is mounted."""
    if view.startswith("/"):
        return request.script_root + view + ("?" + urlencode(query) if query else "")
    return url_for(view, **cast(Any, query))


def device_token(user_id: str) -> str | None:
    """What this browser keeps, if this user trusts it."""
    name, _, _ = _device_cookie(user_id)
    return request.cookies.get(name)


def set_device_cookie(response: Response, user_id: str, device: DeviceToken) -> None:
    """Gives the browser the token of a trusted device."""
    name, secure, path = _device_cookie(user_id)
    response.set_cookie(
        name,
        device.token,
        expires=device.expires_at,
        secure=secure,
        httponly=True,
        samesite="Lax",
        path=path,
    )
    response.headers["Cache-Control"] = "no-store"


def _requested_url() -> str:
    """Where the user wanted to go: a page of the site, and no step of a login."""
    endpoint = request.endpoint or ""
    if endpoint.startswith("ferrotp.") and endpoint not in _NO_STEPS:
        return ""
    url = request.script_root + request.full_path.rstrip("?")
    return safe_next(url) if request.method == "GET" else ""


def _form_url() -> str:
    """The page of the application that a form came from, as the browser says; "" if it says none, or another site's."""
    parts = urlsplit(request.headers.get("Referer", ""))
    if parts.scheme not in ("http", "https") or parts.netloc != request.host:
        return ""
    steps = {url_for(f"ferrotp.{name}") for name in ("challenge", "recover", "confirm", "saved")}
    return "" if parts.path in steps else safe_next(parts.path + (f"?{parts.query}" if parts.query else ""))


def _device_cookie(user_id: str) -> tuple[str, bool, str]:
    """Its name, whether it is for HTTPS alone, and its path."""
    config = current_app.config
    secure = not current_app.debug or request.is_secure or bool(config["SESSION_COOKIE_SECURE"])
    path = config["SESSION_COOKIE_PATH"] or config["APPLICATION_ROOT"]
    return state().gate.device_cookie(user_id, host=secure and path == "/"), secure, path


def _login_view() -> str | None:
    """That of Flask-Login, if there is one."""
    return getattr(getattr(current_app, "login_manager", None), "login_view", None)
