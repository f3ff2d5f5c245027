"""The pages. A GET changes nothing, and none but the pending set-up returns a secret; a POST carries a token."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

import ferrotp.web

from ..mfa import MFAError, NotEnrolled, Verification
from ..web import PAGE_HEADERS, Login, device_name
from ..web.gate import LastFactor
from ..web.pages import (
    CodesPage,
    Problem,
    challenge_page,
    codes_file,
    posted_codes,
    problem,
    remove_page,
    set_up_page,
    settings_page,
)
from .extension import MESSAGE, render, state
from .forms import CodeForm, Form, NameForm, SavedForm


def blueprint() -> Blueprint:
    """The pages of one application."""
    pages = Blueprint(
        "ferrotp",
        __name__,
        template_folder="templates",
        static_folder=str(Path(ferrotp.web.__file__).parent / "static"),
        static_url_path="/static",
    )
    for rule, view, methods in (
        ("/", settings, ["GET"]),
        ("/challenge", challenge, ["GET", "POST"]),
        ("/recover", recover, ["GET", "POST"]),
        ("/cancel", cancel, ["POST"]),
        ("/set-up", set_up, ["GET", "POST"]),
        ("/set-up/confirm", confirm, ["POST"]),
        ("/recovery-codes", new_codes, ["GET", "POST"]),
        ("/recovery-codes/saved", saved, ["POST"]),
        ("/factors/<factor_id>/remove", remove, ["GET", "POST"]),
        ("/devices/forget", forget_devices, ["POST"]),
        ("/devices/<series>/forget", forget_device, ["POST"]),
    ):
        pages.add_url_rule(rule, view.__name__, view, methods=methods)
    pages.after_request(_with_headers)
    return pages


# At login, or again before a change


def challenge() -> ResponseReturnValue:
    """Asks for a code of the app."""
    return _asked(recovery=False)


def recover() -> ResponseReturnValue:
    """Asks for a recovery code."""
    return _asked(recovery=True)


def _asked(*, recovery: bool) -> ResponseReturnValue:
    here = state()
    extension, gate, texts = here.extension, here.gate, here.texts
    with extension.redirecting_to_step():
        login = gate.challenged(extension.login)
    if request.method == "GET":
        return render("challenge", page=challenge_page(gate, login, texts, recovery=recovery))
    form = CodeForm()
    code, what = _typed(form)
    if what is None:
        try:
            if recovery:
                entered, verification = gate.recover(login, code)
                return _recovered(login, entered, verification)
            entered = gate.verify(login, code)
        except MFAError as error:
            what = problem(error, texts, gate.now(), recovery=recovery)
        else:
            asked_to_trust = form.trust.data and login.stage == "half"
            device = gate.trust(entered, device_name(request.user_agent.string)) if asked_to_trust else None
            with extension.redirecting_to_step():
                return extension.complete_login(entered, device)
    if what.ends_login:
        extension.lockout()
        return _shown(what, "ended", login_page=extension.login_page(), error=what.message)
    return _shown(what, "challenge", page=challenge_page(gate, login, texts, recovery=recovery, error=what.message))


def _recovered(login: Login, entered: Login, verification: Verification) -> ResponseReturnValue:
    extension = state().extension
    with extension.redirecting_to_step():
        response = extension.complete_login(replace(entered, next=entered.next if login.stage == "full" else ""))
    if login.stage == "full":
        return response
    # Whoever needed a recovery code should look after the device first.
    session[MESSAGE] = ["recover.used", {}]
    return redirect(url_for("ferrotp.settings"), 303)


def cancel() -> ResponseReturnValue:
    """Ends a half-login, or goes back from being asked again."""
    extension = state().extension
    login = extension.login
    if not Form().validate() or (login is not None and login.stage == "full"):
        return redirect(url_for("ferrotp.settings"), 303)
    return extension.log_out() if extension.login_page() else _ended()


def _ended() -> ResponseReturnValue:
    state().extension.lockout()
    return render("ended", login_page="", error=state().texts("error.gone"))


# Set-up


def set_up() -> ResponseReturnValue:
    """Shows the key that waits for its code, or offers to make one."""
    here = state()
    extension, gate, texts = here.extension, here.gate, here.texts
    what: Problem | None = None
    with extension.redirecting_to_step():
        login = gate.may_set_up(extension.login)
        if request.method == "POST":
            form = NameForm()
            what = _forged(form)
            if what is None:
                try:
                    extension.save_login(gate.enroll(login, form.name.data or ""))
                    return redirect(url_for("ferrotp.set_up"), 303)
                except MFAError as error:
                    what = problem(error, texts, gate.now())
        enrollment = gate.pending(login)
    message = what.message if what else ""
    return _shown(what, "set_up", page=set_up_page(gate, login, texts, enrollment, error=message))


def confirm() -> ResponseReturnValue:
    """Ends set-up, and shows the recovery codes if they are new."""
    here = state()
    extension, gate, texts = here.extension, here.gate, here.texts
    form = CodeForm()
    with extension.redirecting_to_step():
        login = gate.may_set_up(extension.login)
        code, what = _typed(form)
        if what is None:
            try:
                entered, codes = gate.confirm(login, code)
            except MFAError as error:
                what = problem(error, texts, gate.now())
            else:
                extension.promote(entered)
                session[MESSAGE] = ["setup.done", {}]
                if codes:
                    # Where to go when they are saved.
                    extension.save_login(replace(entered, next=login.next if login.stage == "set-up" else ""))
                    return render("codes", page=CodesPage(tuple(codes)))
                return redirect(url_for("ferrotp.settings"), 303)
        if what.expired:
            login = replace(login, pending="")
            extension.save_login(login)
        enrollment = gate.pending(login)
    return _shown(what, "set_up", page=set_up_page(gate, login, texts, enrollment, error=what.message))


# Recovery codes


def new_codes() -> ResponseReturnValue:
    """Makes new recovery codes, and shows them this once."""
    here = state()
    extension, gate = here.extension, here.gate
    with extension.redirecting_to_step():
        login = gate.fresh(extension.login)
        if request.method == "GET":
            return render("new_codes", error="")
        what = _forged(Form())
        if what is not None:
            return _shown(what, "new_codes", error=what.message)
        try:
            kept, codes = gate.new_codes(login)
        except NotEnrolled:
            return redirect(url_for("ferrotp.settings"), 303)
    extension.save_login(replace(kept, next=""))
    return render("codes", page=CodesPage(tuple(codes)))


def saved() -> ResponseReturnValue:
    """The user says that the codes are saved, or wants them as a file: they come back with the form, since nothing here
    keeps them."""
    here = state()
    extension, gate, texts = here.extension, here.gate, here.texts
    with extension.redirecting_to_step():
        login = gate.inside(extension.login)
    form = SavedForm()
    codes = posted_codes(request.form.getlist("codes"))
    what = _forged(form)
    if what is None and form.download.data:
        text = codes_file(codes, texts, issuer=gate.mfa.issuer, account=login.account_name)
        response = Response(text, mimetype="text/plain")
        response.headers["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
        return response
    if what is None and not form.saved.data:
        what = Problem(texts("codes.unsaved"), 400)
    if what is not None:
        return _shown(what, "codes", page=CodesPage(codes, what.message))
    extension.save_login(replace(login, unsaved_codes=False, next=""))
    return redirect(login.next or url_for("ferrotp.settings"), 303)


# Settings


def settings() -> ResponseReturnValue:
    """What there is, and what can be changed."""
    here = state()
    with here.extension.redirecting_to_step():
        login = here.gate.inside(here.extension.login)
    message_id, values = session.pop(MESSAGE, None) or ("", {})
    message = here.texts(message_id, **values) if message_id else ""
    return render("settings", page=settings_page(here.gate, login, here.texts, message=message))


def remove(factor_id: str) -> ResponseReturnValue:
    """Removes a factor of the user's own."""
    here = state()
    extension, gate, texts = here.extension, here.gate, here.texts
    with extension.redirecting_to_step():
        try:
            factor = gate.factor(extension.login, factor_id)
            page = remove_page(gate, factor, texts)
            if request.method == "GET":
                return render("remove", page=page, error="")
            what = _forged(Form())
            if what is not None:
                return _shown(what, "remove", page=page, error=what.message)
            gate.remove(extension.login, factor_id)
            session[MESSAGE] = ["settings.removed", {"name": page.factor.name}]
        except NotEnrolled:
            session[MESSAGE] = ["settings.gone", {}]
        except LastFactor:
            session[MESSAGE] = ["remove.needed", {}]
    return redirect(url_for("ferrotp.settings"), 303)


def forget_devices() -> ResponseReturnValue:
    """Trusts none of the user's devices any more."""
    return _forgotten(None)


def forget_device(series: str) -> ResponseReturnValue:
    """Trusts one of them no more."""
    return _forgotten(series)


def _forgotten(series: str | None) -> ResponseReturnValue:
    here = state()
    with here.extension.redirecting_to_step():
        login = here.gate.inside(here.extension.login)
        if _forged(Form()) is None:
            there = here.gate.forget_devices(login, series)
            session[MESSAGE] = ["settings.devices.forgotten" if there else "settings.gone", {}]
    return redirect(url_for("ferrotp.settings"), 303)


# Below


def _forged(form: Form) -> Problem | None:
    """The page was open for too long, or the request does not come from it."""
    return None if form.validate() else Problem(state().texts("error.form"), 400)


def _typed(form: CodeForm) -> tuple[str, Problem | None]:
    """The code in a form, or why it is not to be looked at."""
    code = form.code.data or ""
    what = _forged(form)
    if what is None and not code.strip():
        what = Problem(state().texts("error.empty"), 400)
    return code, what


def _shown(what: Problem | None, template: str, **values: Any) -> ResponseReturnValue:
    if what is None:
        return render(template, **values)
    return render(template, status=what.status, retry_after=what.retry_after, **values)


def _with_headers(response: Response) -> Response:
    if request.endpoint != "ferrotp.static":
        for name, value in PAGE_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Cache-Control"] = PAGE_HEADERS["Cache-Control"]
    return response
