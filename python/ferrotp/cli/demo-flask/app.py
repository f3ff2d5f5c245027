"""A small application with its own users and password login, to which ferrotp adds the second factor.

The lines that are about it are marked by ``# MFA``.
"""

import os
import secrets
from pathlib import Path

from flask import Flask, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_required, logout_user
from flask_wtf import CSRFProtect
from users import Users

from ferrotp.flask import FlaskMFA, Notice, Notifier, fresh_mfa_required, mfa_required  # MFA
from ferrotp.mfa import MFA, Passkeys, Policy  # MFA
from ferrotp.vault import Keyring, new_key  # MFA

ISSUER = "Ferrotp example"


def create_app(folder: str | Path | None = None, *, mfa: MFA | None = None) -> Flask:
    """The application, with its data in a folder."""
    folder = Path(folder or os.environ["EXAMPLE_FOLDER"]).absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=kept(folder / "secret-key", lambda: secrets.token_urlsafe(32)),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE="EXAMPLE_HTTPS" in os.environ,
        FERROTP_AFTER_LOGIN="inside",  # MFA
        FERROTP_BASE_TEMPLATE="base.html",  # MFA
        FERROTP_MODE=os.environ.get("EXAMPLE_MODE", "optional"),  # MFA
    )
    CSRFProtect(app)
    users = Users(folder / "users.db")
    login_manager = LoginManager(app)
    login_manager.login_view = "login"
    login_manager.user_loader(users.by_id)

    def mail(notice: Notice) -> None:  # MFA: the application's own mail
        user = users.by_id(notice.user_id)
        app.logger.warning("Mail to %s: %s", user.email if user else "?", notice.subject)

    # Passkeys are of a domain, and of pages by https, or at localhost: EXAMPLE_ORIGIN=http://localhost:5000
    origin = os.environ.get("EXAMPLE_ORIGIN")  # MFA
    passkeys = Passkeys(rp_id="localhost", origins=[origin], sign_in=True) if origin else None  # MFA
    if mfa is None:
        mfa = MFA(  # MFA
            f"sqlite:///{folder / 'mfa.db'}",
            issuer=ISSUER,
            keyring=Keyring(kept(folder / "mfa-key", new_key)),
            policy=Policy(trusted_device_days=30, passkeys=passkeys),
            on_event=Notifier(mail, issuer=ISSUER),
        )
    flask_mfa = FlaskMFA(app, mfa=mfa, account_name=lambda user_id: getattr(users.by_id(user_id), "email", ""))  # MFA

    @app.get("/")
    def index() -> ResponseReturnValue:
        return render_template("index.html")

    @app.route("/register", methods=["GET", "POST"])
    def register() -> ResponseReturnValue:
        error = ""
        if request.method == "POST":
            error = users.add(request.form.get("email", ""), request.form.get("password", ""))
            if not error:
                flash("Welcome. Now log in.")
                return redirect(url_for("login"), 303)
        return render_template("form.html", title="Register", error=error, new=True), 400 if error else 200

    @app.route("/login", methods=["GET", "POST"])
    def login() -> ResponseReturnValue:
        error = ""
        if request.method == "POST":
            user = users.check(request.form.get("email", ""), request.form.get("password", ""))
            if user is not None:
                return flask_mfa.begin_login(user.id, user.email, remember="remember" in request.form)  # MFA
            error = "The address or the password is not right."
        return render_template("form.html", title="Log in", error=error, new=False), 400 if error else 200

    @app.post("/logout")
    def logout() -> ResponseReturnValue:
        logout_user()
        return redirect(url_for("index"), 303)

    @app.get("/inside")
    @login_required
    def inside() -> ResponseReturnValue:
        return render_template("inside.html")

    @app.get("/vault")
    @mfa_required  # MFA
    def vault() -> ResponseReturnValue:
        return render_template("page.html", title="Vault", text="Only a second factor leads here.")

    @app.route("/password", methods=["GET", "POST"])
    @login_required
    @fresh_mfa_required  # MFA
    def password() -> ResponseReturnValue:
        error = ""
        if request.method == "POST":
            error = users.change(current_user.id, request.form.get("password", ""))
            if not error:
                mfa.forget_devices(user_id=current_user.id)  # MFA
                flash("The password is changed.")
                return redirect(url_for("inside"), 303)
        return render_template("form.html", title="Change password", error=error, new=True), 400 if error else 200

    @app.get("/api/me")
    @login_required
    def api_me() -> ResponseReturnValue:
        return {"email": current_user.email}

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    app.extensions["example_users"] = users
    return app


def kept(path: Path, make: "type[str] | object") -> str:
    """What a file holds, or is made to hold: for its owner's eyes."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())  # type: ignore[operator]
    except FileExistsError:
        pass
    return path.read_text()
