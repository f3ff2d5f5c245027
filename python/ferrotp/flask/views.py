"""The pages. A GET changes nothing, and none but the pending set-up returns a secret; a POST carries a token."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from flask import Blueprint, Response, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, validate_csrf  # type: ignore[import-untyped]
from wtforms.validators import ValidationError  # type: ignore[import-untyped]

import ferrotp.web

from ..mfa import MFAError, NotEnrolled, Passkeys, TooManyFactors
from ..web import PAGE_HEADERS, Gate, LastFactor, Login, LoginRequired, SessionInfo, StepError, device_name
from ..web.login import LOST_FORM_KEY, MESSAGE_KEY
from ..web.pages import (
    ChallengePage,
    CodesPage,
    challenge_page,
    codes_file,
    codes_page,
    end_session_page,
    passkey_page,
    posted_codes,
    remove_page,
    set_up_page,
    settings_page,
    show_codes,
    sign_in_page,
    was_posted_before,
)
from ..web.problems import Problem, codes_problem_of, problem_of
from .auth import (
    complete_login,
    complete_sign_in,
    current_login,
    log_out,
    login_page,
    promote,
    redirect_to_step,
    save_login,
    sign_in_session,
    state,
)
from .rendering import render


def blueprint(*, passkeys: Passkeys | None = None) -> Blueprint:
    """The pages of one application.

    :param passkeys: of its policy
    """
    pages = Blueprint(
        "ferrotp",
        __name__,
        template_folder="templates",
        static_folder=str(Path(ferrotp.web.__file__).parent / "static"),
        static_url_path="/static",
    )
    rules: list[tuple[str, Callable[..., ResponseReturnValue], list[str]]] = [
        ("/", settings, ["GET"]),
        ("/challenge", challenge, ["GET", "POST"]),
        ("/recover", recover, ["GET", "POST"]),
        ("/passkey", passkey, ["GET", "POST"]),
        ("/passkeys/add", add_passkey, ["GET", "POST"]),
        ("/cancel", cancel, ["POST"]),
        ("/password", password, ["GET", "POST"]),
        ("/set-up", set_up, ["GET", "POST"]),
        ("/set-up/confirm", confirm, ["GET", "POST"]),
        ("/recovery-codes", new_codes, ["GET", "POST"]),
        ("/recovery-codes/saved", saved, ["GET", "POST"]),
        ("/sessions/end", end_sessions, ["GET", "POST"]),
        ("/sessions/<handle>/end", end_session, ["GET", "POST"]),
        ("/factors/<factor_id>/remove", remove, ["GET", "POST"]),
        ("/devices/forget", forget_devices, ["POST"]),
        ("/devices/<series>/forget", forget_devices, ["POST"]),
    ]
    if passkeys is not None and passkeys.sign_in:
        rules += [("/sign-in", sign_in, ["GET", "POST"]), ("/sign-in/options", sign_in_options, ["GET"])]
    for rule, view, methods in rules:
        name = "forget_device" if "<series>" in rule else view.__name__
        pages.add_url_rule(rule, name, view, methods=methods)
    pages.register_error_handler(StepError, redirect_to_step)
    pages.register_error_handler(CSRFError, _refused)
    pages.after_request(_with_headers)
    return pages


# At login, or again before a change


def challenge() -> ResponseReturnValue:
    """Asks for a code of the app."""
    here = state()
    gate, texts = here.gate, here.texts
    problem = None if request.method == "GET" else form_problem(with_code=True)
    login = _asking_login(gate, problem)
    if request.method == "GET":
        return render("challenge", page=_challenge_page(login, recovery=False))
    if problem is None:
        next_code = request.form.get("next_code", "")
        try:
            verified, verification = gate.verify_typed(login, request.form["code"], next_code)
        except MFAError as error:
            problem = problem_of(error, texts, gate.now(), two_codes=bool(next_code))
        else:
            device = None
            if login.stage == "half" and request.form.get("trust"):
                device = gate.trust_device(verified, device_name(request.user_agent.string))
            if login.stage == "half" and not verification.remaining:  # an imported user's, for one
                response = complete_login(here, replace(verified, next=url_for("ferrotp.settings")), device)
                session[MESSAGE_KEY] = ["settings.codes.missing", {}]
                return response
            return complete_login(here, verified, device)
    return _challenge_refused(login, problem, recovery=False)


def recover() -> ResponseReturnValue:
    """Asks for a recovery code."""
    here = state()
    gate, texts = here.gate, here.texts
    problem = None if request.method == "GET" else form_problem(with_code=True)
    login = _asking_login(gate, problem)
    if request.method == "GET":
        return render("challenge", page=_challenge_page(login, recovery=True))
    if problem is None:
        try:
            verified, _ = gate.recover(login, request.form["code"])
        except MFAError as error:
            problem = problem_of(error, texts, gate.now(), recovery=True)
        else:
            if login.stage == "full":
                return complete_login(here, verified)
            # A user who needed a recovery code should look after the device first.
            response = complete_login(here, replace(verified, next=url_for("ferrotp.settings")))
            session[MESSAGE_KEY] = ["recover.used", {}]
            return response
    return _challenge_refused(login, problem, recovery=True)


def _asking_login(gate: Gate, problem: Problem | None) -> Login:
    """The login that may be asked for a code. Where one was posted well, the step that takes it asks whether it may:
    the store is asked once."""
    login = current_login()
    if login is None or request.method == "GET" or problem is not None:
        return gate.allow_challenge(login)
    return login


def _challenge_page(login: Login, *, recovery: bool, error: str = "") -> ChallengePage:
    here = state()
    page = challenge_page(here.gate, login, here.texts, recovery=recovery, error=error)
    if LOST_FORM_KEY in session:
        page = replace(page, note=f"{here.texts('challenge.lost')} {page.note}".rstrip())
    return page


def _challenge_refused(login: Login, problem: Problem, *, recovery: bool) -> Response:
    if problem.ends_login:
        log_out()
        return render("ended", problem, login_page=login_page(), error=problem.message)
    page = _challenge_page(login, recovery=recovery, error=problem.message)
    return render("challenge", problem, page=page)


def passkey() -> ResponseReturnValue:
    """A passkey instead of a code: the challenge's page posts what the browser made."""
    here = state()
    gate, texts = here.gate, here.texts
    login = gate.allow_challenge(current_login())
    if request.method == "GET" or gate.mfa.policy.passkeys is None:
        return redirect(url_for("ferrotp.challenge"), 303)
    problem = form_problem() or _no_credential()
    if problem is None:
        try:
            verified = gate.verify_passkey(login, request.form["credential"])
        except MFAError as error:
            problem = problem_of(error, texts, gate.now())
        else:
            device = None
            if login.stage == "half" and request.form.get("trust"):
                device = gate.trust_device(verified, device_name(request.user_agent.string))
            return complete_login(here, verified, device)
    return _challenge_refused(login, problem, recovery=False)


def sign_in() -> ResponseReturnValue:
    """A passkey alone, instead of the password: what the form on the login page posts, and a page of its own."""
    here = state()
    gate, texts = here.gate, here.texts
    next_url = request.values.get("next", "")
    problem: Problem | None = None
    if request.method == "POST":
        problem = form_problem() or _no_credential()
        if problem is None:
            remember = "remember" in request.form
            try:
                session_name = sign_in_session()
                login = gate.sign_in(request.form["credential"], session_name, next_url=next_url, remember=remember)
                return complete_sign_in(here, login)
            except MFAError as error:
                problem = problem_of(error, texts, gate.now(), sign_in=True)
    message = problem.message if problem else ""
    page = sign_in_page(gate, sign_in_session(), next_url=next_url, error=message)
    return render("sign_in", problem, page=page, login_page=login_page(page.next))


def sign_in_options() -> ResponseReturnValue:
    """A new challenge, for a login page that is open for long."""
    return {"options": state().gate.sign_in_challenge(sign_in_session())}


def cancel() -> ResponseReturnValue:
    """Ends a half-login, or goes back from being asked again."""
    login = current_login()
    if form_problem() is not None or (login is not None and login.stage == "full"):
        return redirect(url_for("ferrotp.settings"), 303)
    log_out()
    page = login_page()
    return redirect(page, 303) if page else render("ended", login_page="", error=state().texts("error.gone"))


def password() -> ResponseReturnValue:
    """Asks for the password once more, of a user who has no second factor: before it is set up."""
    here = state()
    login = current_login()
    fresh = here.gate.confirm_password(login)  # it has no second factor, or is led to the challenge
    if here.verify_password is None:
        return redirect(url_for("ferrotp.settings"), 303)
    if request.method == "GET":
        return render("password", error="")
    problem = form_problem()
    if problem is None and not here.verify_password(fresh.user_id, request.form.get("password", "")):
        problem = Problem("invalid-request", 400, here.texts("password.wrong"))
    if problem is not None:
        return render("password", problem, error=problem.message)
    promote(here, fresh)
    return redirect(fresh.next or url_for("ferrotp.settings"), 303)


# Set-up


def set_up() -> ResponseReturnValue:
    """Shows the key that waits for its code, or offers to make one."""
    here = state()
    gate, texts = here.gate, here.texts
    login = gate.allow_set_up(current_login())
    if not gate.sets_up_codes(login.user_id):
        return redirect(url_for("ferrotp.add_passkey"), 303)
    problem: Problem | None = None
    if request.method == "POST":
        problem = form_problem()
        if problem is None:
            try:
                save_login(gate.enroll(login))
                return redirect(url_for("ferrotp.set_up"), 303)
            except MFAError as error:
                problem = problem_of(error, texts, gate.now())
    return _set_up_page(login, problem)


def confirm() -> ResponseReturnValue:
    """Ends set-up, and shows the recovery codes if there are none."""
    here = state()
    gate, texts = here.gate, here.texts
    login = gate.allow_set_up(current_login())
    if request.method == "GET" or (login.unsaved_codes and not login.pending_factor):
        # The page of codes, loaded again: the settings say what to do about codes that were not saved.
        return redirect(url_for("ferrotp.set_up" if login.pending_factor else "ferrotp.settings"), 303)
    problem = form_problem(with_code=True)
    if problem is None:
        try:
            confirmed = gate.confirm(login, request.form["code"], request.form.get("name", ""))
        except MFAError as error:
            problem = problem_of(error, texts, gate.now())
        else:
            # Where to go when the codes are saved. They are made when the application has had its say: if it fails,
            # there are none that nobody has seen.
            promote(here, confirmed, next_url="" if login.passed else login.next)
            session[MESSAGE_KEY] = ["setup.done", {}]
            # Where there is nothing to save, on to where the user wanted to go.
            onwards = (not login.passed and login.next) or url_for("ferrotp.settings")
            return show_codes(_first_codes, _codes_page) or redirect(onwards, 303)
    if problem.expired:
        login = replace(login, pending_factor="")
        save_login(login)
    return _set_up_page(login, problem)


def add_passkey() -> ResponseReturnValue:
    """Makes a passkey, and shows the recovery codes if there are none."""
    here = state()
    gate, texts = here.gate, here.texts
    login = gate.allow_set_up(current_login())
    if gate.mfa.policy.passkeys is None:
        return redirect(url_for("ferrotp.set_up"), 303)
    problem: Problem | None = None
    if request.method == "POST":
        if login.unsaved_codes and not request.form.get("credential"):
            return redirect(url_for("ferrotp.settings"), 303)
        problem = form_problem() or _no_credential()
        if problem is None:
            try:
                confirmed, _ = gate.finish_passkey(login, request.form["credential"], request.form.get("name", ""))
            except MFAError as error:
                problem = problem_of(error, texts, gate.now())
            else:
                promote(here, confirmed, next_url="" if login.passed else login.next)
                session[MESSAGE_KEY] = ["passkey.done", {}]
                onwards = (not login.passed and login.next) or url_for("ferrotp.settings")
                return show_codes(_first_codes, _codes_page) or redirect(onwards, 303)
    message = problem.message if problem else ""
    try:
        page = passkey_page(gate, login, texts, name=device_name(request.user_agent.string), error=message)
    except TooManyFactors:
        session[MESSAGE_KEY] = ["setup.full", {}]
        return redirect(url_for("ferrotp.settings"), 303)
    return render("passkey", problem, page=page)


def _no_credential() -> Problem | None:
    """Where the page was open for longer than its challenge is good: the script posts the form as it is."""
    if request.form.get("credential"):
        return None
    return Problem("invalid-request", 400, state().texts("error.passkey.late"))


def _first_codes() -> CodesPage | None:
    """None: there are codes already, or none can be made just now."""
    login = current_login()
    if login is None:
        raise LoginRequired
    here = state()
    login, codes = here.gate.first_codes(login)
    save_login(login if codes else replace(login, next=""))
    return codes_page(here.gate, login, here.texts, codes) if codes else None


def _codes_page(page: CodesPage) -> Response:
    return render("codes", page=page)


def _set_up_page(login: Login, problem: Problem | None) -> Response:
    here = state()
    enrollment = here.gate.pending_enrollment(login)
    message = problem.message if problem else ""
    page = set_up_page(here.gate, login, here.texts, enrollment, error=message, name=request.form.get("name", ""))
    return render("set_up", problem, page=page)


# Recovery codes


def new_codes() -> ResponseReturnValue:
    """Makes new recovery codes, and shows them this once."""
    gate = state().gate
    login = gate.require_fresh(current_login())
    opened_at = int(gate.now())
    if request.method == "GET":
        return render("new_codes", opened_at=opened_at, error="")
    problem = form_problem()
    if problem is not None:
        return render("new_codes", problem, opened_at=opened_at, error=problem.message)
    if was_posted_before(login, request.form.get("opened_at", "")):
        return redirect(url_for("ferrotp.settings"), 303)
    try:
        shown = show_codes(partial(_new_codes, login), _codes_page)
    except NotEnrolled:
        shown = None
    except MFAError as error:
        problem = codes_problem_of(error, state().texts, gate.now())
        return render("new_codes", problem, opened_at=opened_at, error=problem.message)
    return shown or redirect(url_for("ferrotp.settings"), 303)


def _new_codes(login: Login) -> CodesPage:
    here = state()
    login, codes = here.gate.new_codes(login, end_sessions=bool(request.form.get("end_sessions")))
    promote(here, login)
    return codes_page(here.gate, login, here.texts, codes)


def saved() -> ResponseReturnValue:
    """The user says that the codes are saved, or wants them as a file: they come back with the form, since nothing here
    keeps them."""
    here = state()
    gate, texts = here.gate, here.texts
    login = gate.require_login(current_login())
    if request.method == "GET":
        return redirect(url_for("ferrotp.settings"), 303)
    codes = posted_codes(request.form.getlist("codes"))
    problem = form_problem()
    if problem is None and request.form.get("download"):
        text = codes_file(codes, texts, issuer=gate.mfa.issuer, account=login.account_name)
        response = Response(text, mimetype="text/plain")
        response.headers["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
        return response
    if problem is None and not request.form.get("saved"):
        problem = Problem("invalid-request", 400, texts("codes.unsaved"))
    if problem is not None:
        return render("codes", problem, page=codes_page(gate, login, texts, codes, error=problem.message))
    save_login(replace(login, unsaved_codes=False, next=""))
    return redirect(login.next or url_for("ferrotp.settings"), 303)


# Settings


def settings() -> ResponseReturnValue:
    """What there is, and what can be changed."""
    here = state()
    login = here.gate.require_login(current_login())
    message_id, values = session.pop(MESSAGE_KEY, None) or ("", {})
    message = here.texts(message_id, **values) if message_id else ""
    sessions = _sessions_of(login)
    return render("settings", page=settings_page(here.gate, login, here.texts, message=message, sessions=sessions))


def end_sessions() -> ResponseReturnValue:
    """Logs the user out everywhere else."""
    here = state()
    login = here.gate.require_fresh(current_login())
    if request.method == "GET":
        return render("end_sessions", error="")
    problem = form_problem()
    if problem is not None:
        return render("end_sessions", problem, error=problem.message)
    promote(here, here.gate.end_sessions(login))
    session[MESSAGE_KEY] = ["settings.sessions.ended", {}]
    return redirect(url_for("ferrotp.settings"), 303)


def end_session(handle: str) -> ResponseReturnValue:
    """Logs the user out in one other browser."""
    here = state()
    gate = here.gate
    login = gate.require_fresh(current_login())
    page = end_session_page(gate, here.texts, _sessions_of(login), handle)
    if page is not None and request.method == "GET":
        return render("end_session", page=page, error="")
    problem = form_problem()
    if page is not None and problem is not None:
        return render("end_session", problem, page=page, error=problem.message)
    ended = page is not None and here.sessions is not None and here.sessions.end(login.user_id, handle)
    session[MESSAGE_KEY] = ["settings.sessions.logged-out" if ended else "settings.gone", {}]
    return redirect(url_for("ferrotp.settings"), 303)


def _sessions_of(login: Login) -> list[SessionInfo]:
    """Those of a user, where the application lists them."""
    listed = state().sessions
    return [] if listed is None else list(listed.of_user(login.user_id))


def remove(factor_id: str) -> ResponseReturnValue:
    """Removes a factor of the user's own."""
    here = state()
    gate, login = here.gate, current_login()
    try:
        page = remove_page(gate, gate.removable_factor(login, factor_id), here.texts)
        if request.method == "GET":
            return render("remove", page=page, error="")
        problem = form_problem()
        if problem is not None:
            return render("remove", problem, page=page, error=problem.message)
        kept, _ = gate.remove(login, factor_id)
        promote(here, kept)
        session[MESSAGE_KEY] = ["settings.removed", {"name": page.factor.name}]
    except NotEnrolled:
        session[MESSAGE_KEY] = ["settings.gone", {}]
    except LastFactor:
        session[MESSAGE_KEY] = ["remove.needed", {}]
    return redirect(url_for("ferrotp.settings"), 303)


def forget_devices(series: str | None = None) -> ResponseReturnValue:
    """Stops trusting one of the user's devices, or all of them."""
    gate = state().gate
    login = gate.require_login(current_login())
    if form_problem() is None:
        forgotten = gate.forget_devices(login, series)
        session[MESSAGE_KEY] = ["settings.devices.forgotten" if forgotten else "settings.gone", {}]
    return redirect(url_for("ferrotp.settings"), 303)


# What was posted


def form_problem(*, with_code: bool = False) -> Problem | None:
    """The page was open for too long, or the request does not come from it. The token is looked at even where the
    application turned that off for its own forms: only tests may do so.

    :param with_code: whether the form has to hold a code
    """
    config = current_app.config
    if g.get("ferrotp_refused"):
        return Problem("invalid-request", 400, state().texts("error.form"))
    if not g.get("csrf_valid", False) and (not current_app.testing or config.get("WTF_CSRF_ENABLED", True)):
        try:
            validate_csrf(request.form.get(config.get("WTF_CSRF_FIELD_NAME", "csrf_token")))
        except ValidationError:
            return Problem("invalid-request", 400, state().texts("error.form"))
    if with_code and not request.form.get("code", "").strip():
        return Problem("invalid-request", 400, state().texts("error.empty"))
    return None


def _refused(error: CSRFError) -> ResponseReturnValue:
    """The application's own protection refused the form: the page says so, instead of a bare 400."""
    g.ferrotp_refused = True
    try:
        page = current_app.view_functions[str(request.endpoint)](**(request.view_args or {}))
    except StepError as step:
        return redirect_to_step(step)
    if isinstance(page, Response) and page.status_code >= 400:
        return page
    problem = Problem("invalid-request", 400, state().texts("error.form"))  # of a page that has no place for it
    return render("refused", problem, error=problem.message)


def _with_headers(response: Response) -> Response:
    if request.endpoint != "ferrotp.static":
        for name, value in PAGE_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Cache-Control"] = PAGE_HEADERS["Cache-Control"]
    return response
