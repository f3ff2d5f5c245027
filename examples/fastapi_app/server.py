"""A small JSON API with its own users, passwords and sessions, to which ferrotp adds the second factor; and its page.

The lines that are about the second factor are marked by ``# MFA``.
"""

import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from accounts import Accounts, Refused, Session
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from fastapi.security import APIKeyCookie
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

import ferrotp.web
from ferrotp.mfa import MFA, Passkeys, Policy  # MFA
from ferrotp.starlette import Notice, Notifier, StarletteMFA, require_fresh, require_login, require_mfa  # MFA
from ferrotp.starlette.fastapi_router import ProblemRoute, problems  # MFA
from ferrotp.starlette.models import LoginAnswer  # MFA
from ferrotp.vault import Keyring, new_key  # MFA

ISSUER = "Ferrotp example"
HERE = Path(__file__).parent
COOKIE = "session"
log = logging.getLogger("example")

signed_in = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by logging in.")
User = Annotated[str, Depends(require_login)]  # MFA: by as many factors as there are
UserWithMFA = Annotated[str, Depends(require_mfa)]  # MFA: the second factor was passed
FreshUser = Annotated[str, Depends(require_fresh)]  # MFA: just now


class Credentials(BaseModel):
    """The first factor."""

    model_config = ConfigDict(extra="forbid", strict=True)
    email: str = Field(max_length=255, examples=["alice@example.com"])
    password: str = Field(max_length=200, examples=["correct horse battery"])


class NewPassword(BaseModel):
    """Another one."""

    model_config = ConfigDict(extra="forbid", strict=True)
    password: str = Field(max_length=200, examples=["staple correct horse"])


class Me(BaseModel):
    """Who is logged in."""

    email: str


class Page(BaseModel):
    """Something to read."""

    text: str


class Told(BaseModel):
    """What is wrong, for the user."""

    detail: str


def create_app(
    folder: str | Path | None = None, *, mfa: MFA | None = None, accounts: Accounts | None = None
) -> FastAPI:
    """The application, with its data in a folder."""
    folder = Path(folder or os.environ.get("EXAMPLE_FOLDER") or HERE / "instance").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = accounts or Accounts(folder / "users.db")
    app = FastAPI(title=ISSUER, version="1", docs_url=None, redoc_url=None)
    app.router.route_class = ProblemRoute  # MFA: posts are JSON, and what is sent is not repeated
    https = "EXAMPLE_HTTPS" in os.environ

    def mail(notice: Notice) -> None:  # MFA: the application's own mail
        log.warning("Mail to %s: %s", users.email(notice.user_id) or "?", notice.subject)

    def session(request: Request) -> Session | None:
        if not hasattr(request.state, "session"):
            request.state.session = users.session(request.cookies.get(COOKIE, ""))
        found: Session | None = request.state.session
        return found

    def current_user(request: Request) -> str | None:  # MFA
        found = session(request)
        return found.user_id if found else None

    def stamp(request: Request) -> str | None:  # MFA
        found = session(request)
        return found.stamp if found else None

    def on_login(request: Request, response: Response, user_id: str, stamp: str) -> dict[str, object]:  # MFA
        users.end(request.cookies.get(COOKIE, ""))
        session_id = users.start(user_id, stamp)
        response.set_cookie(COOKIE, session_id, httponly=True, secure=https, samesite="strict")
        return {"email": users.email(user_id)}

    # Passkeys are of a domain, and of pages by https, or at localhost: EXAMPLE_ORIGIN=http://localhost:8000
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
    second_factor = StarletteMFA(  # MFA
        mfa,
        secret_key=kept(folder / "secret-key", lambda: secrets.token_urlsafe(32)),
        current_user=current_user,
        stamp=stamp,
        on_login=on_login,
        account_name=users.email,
        may_sign_in=users.email,  # by a passkey alone: whether there is such a user
        mode="required" if os.environ.get("EXAMPLE_MODE") == "required" else "optional",
        secure_cookies=https,
    )
    second_factor.install(app, "/mfa", dependencies=[Depends(signed_in)])  # MFA

    @app.post("/api/register", status_code=201, responses={400: {"model": Told}, **problems(415, 422)})
    def register(body: Credentials) -> Me:
        """A new user."""
        try:
            users.add(body.email, body.password)
        except Refused as error:
            raise HTTPException(400, str(error)) from None
        return Me(email=body.email.strip().lower())

    @app.post(
        "/api/login",
        response_model=LoginAnswer,
        responses={400: {"model": Told}, **problems(415, 422, 503)},
    )
    async def login(request: Request, found: "Annotated[tuple[str, str], Depends(password)]") -> Response:
        """The first factor. What it answers says whether there is a second."""
        return await second_factor.begin_login(request, *found)  # MFA

    @app.post("/api/logout", status_code=204, dependencies=[Depends(signed_in)], responses=problems(415))
    def logout(request: Request) -> Response:
        """Ends the session."""
        users.end(request.cookies.get(COOKIE, ""))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    @app.get("/api/me", dependencies=[Depends(signed_in)], responses=problems(401, 403, 503))
    def me(user_id: User) -> Me:
        """Who is logged in, by as many factors as there are."""
        return Me(email=users.email(user_id))

    @app.get("/api/vault", dependencies=[Depends(signed_in)], responses=problems(401, 403, 503))
    def vault(user_id: UserWithMFA) -> Page:
        """Only a second factor leads here."""
        return Page(text="Only a second factor leads here.")

    @app.post(
        "/api/password",
        status_code=204,
        dependencies=[Depends(signed_in)],
        responses={400: {"model": Told}, **problems(401, 403, 415, 422, 503)},
    )
    def change_password(user_id: FreshUser, body: NewPassword) -> Response:
        """A new password. All sessions end, and no device is trusted any more."""
        try:
            users.change(user_id, body.password)
        except Refused as error:
            raise HTTPException(400, str(error)) from None
        mfa.forget_devices(user_id=user_id)  # MFA
        return Response(status_code=204)

    # The page

    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(HERE / "static" / "index.html")

    @app.get("/texts", include_in_schema=False)
    def texts() -> dict[str, str]:
        return dict(ferrotp.web.ENGLISH)

    @app.get("/offers", include_in_schema=False)
    def offers() -> dict[str, bool]:
        asked = mfa.policy.passkeys
        return {"passkeys": asked is not None, "sign_in": asked is not None and asked.sign_in}

    app.mount("/ferrotp", StaticFiles(directory=Path(ferrotp.web.__file__).parent / "static"))
    app.mount("/static", StaticFiles(directory=HERE / "static"))

    @app.middleware("http")
    async def strict(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.state.accounts = users
    return app


def password(request: Request, body: Credentials) -> tuple[str, str]:
    """Who it is, by the password. Argon2 takes its time, so this is no coroutine."""
    users: Accounts = request.app.state.accounts
    found = users.check(body.email, body.password)
    if found is None:
        raise HTTPException(400, "The address or the password is not right.")
    users.end(request.cookies.get(COOKIE, ""))  # the session of any user who was logged in here
    return found


def kept(path: Path, make: Callable[[], Any]) -> str:
    """What a file holds, or is made to hold: for its owner's eyes."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    except FileExistsError:
        pass
    return path.read_text()
