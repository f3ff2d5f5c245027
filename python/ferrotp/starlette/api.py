"""`StarletteMFA`: the steps of a login and of its changes, each from a request to an answer.

What a code is worth is decided by `ferrotp.mfa`, and what may be done when by `ferrotp.web.Gate`. Here is only who
asks, and what is said. The gate asks the store, so it runs in the thread pool.
"""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, cast

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ..mfa import MFA, DeviceToken, EnrollmentExpired, FactorInfo, MFAError
from ..web import (
    Gate,
    Login,
    LoginRequired,
    NotFresh,
    SecondFactorRequired,
    Texts,
    check_store,
    device_cookie,
    device_name,
)
from ..web.gate import LastFactor, Mode
from ..web.login import HALF_LIFETIME
from ..web.texts import Translate
from .problems import HEADERS, NEXT, ProblemError, answer, login_required, problem_of, rfc3339
from .tokens import Tokens

if TYPE_CHECKING:
    from fastapi import APIRouter

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Maybe: TypeAlias = _T | Awaitable[_T]

_REFUSALS = (MFAError, LoginRequired, SecondFactorRequired, NotFresh, LastFactor)
_ID = re.compile("[0-9a-f]{32}")


@dataclass(slots=True)
class Answer:
    """What a step gives: the body, and what it puts beside it."""

    body: dict[str, Any] = field(repr=False)
    status: int = 200
    beside: Response = field(default_factory=Response, repr=False)
    """Holds the cookies that the application and the step set."""

    def response(self) -> Response:
        """For the client."""
        response = JSONResponse(self.body, self.status, dict(HEADERS))
        response.raw_headers.extend(one for one in self.beside.raw_headers if one[0] == b"set-cookie")
        return response


class StarletteMFA:
    """The second factor of a Starlette or FastAPI application.

    :param mfa: the service
    :param secret_key: signs pending logins and stamps; or several, of which the last one signs and all are read
    :param current_user: the id of the user whom the application's own session or token names, or None
    :param stamp: what `on_login` put into that session or token, or None
    :param on_login: makes the application's session or token, new each time: called as
        ``on_login(request, response, user_id, stamp)`` when a login is done, and again when the user has proved once
        more who it is. `response` takes cookies. What it returns is ``session`` in the answer
    :param account_name: a user's name or address, where a login began elsewhere
    :param mode: "optional": whoever has no second factor is let in with the password. "required": has to set one up
    :param fresh_seconds: how long a proof of identity is good for changes
    :param secure_cookies: whether the cookie of a trusted device is for HTTPS alone. None: as the request came
    :param translate: the words of `detail` in other languages; see `ferrotp.web.texts`
    :raises SetupError: if the application cannot start like this

    The callables may be async; those that are not run in the thread pool.
    """

    def __init__(
        self,
        mfa: MFA,
        *,
        secret_key: str | Sequence[str],
        current_user: Callable[[Request], _Maybe[str | None]],
        stamp: Callable[[Request], _Maybe[str | None]],
        on_login: Callable[[Request, Response, str, str], _Maybe[Mapping[str, object] | None]],
        account_name: Callable[[str], _Maybe[str]] | None = None,
        mode: Mode = "optional",
        fresh_seconds: int = 600,
        secure_cookies: bool | None = None,
        translate: Translate | None = None,
    ) -> None:
        self.mfa = mfa
        self.gate = Gate(mfa, mode=mode, fresh_seconds=fresh_seconds, clock=mfa.clock)
        self.texts = Texts(translate)
        self._tokens = Tokens(self.gate, secret_key)
        self._current_user = current_user
        self._stamp = stamp
        self._on_login = on_login
        self._account_name = account_name
        self._secure_cookies = secure_cookies
        check_store(mfa)

    # For the application

    def install(self, app: Starlette, prefix: str = "/mfa", **options: Any) -> None:
        """Adds the routes below a prefix, and the handler of problems; `require_mfa` finds this by the application.

        :param options: for FastAPI: see `router`
        """
        app.state.ferrotp = self
        app.add_exception_handler(ProblemError, answer)
        if hasattr(app, "include_router"):
            from .fastapi_router import include

            include(app, self.router(**options), prefix)
        else:
            app.router.routes.append(Mount(prefix, routes=self.routes()))

    def routes(self) -> list[Route]:
        """For Starlette."""
        from .starlette_routes import routes

        return routes(self)

    def router(self, **options: Any) -> "APIRouter":
        """For FastAPI.

        :param options: of the `fastapi.APIRouter`: `tags`, `dependencies` with the application's security scheme …
        """
        from .fastapi_router import router

        return router(self, **options)

    async def begin_login(self, request: Request, user_id: str, account_name: str) -> Response:
        """Call it when the password was right, and return what it gives: that the login is done, or a pending token and
        which operation leads on.

        :param account_name: as the user knows the account: an address, for one
        """
        step = await self._run(
            self.gate.begin, user_id, account_name, device_token=request.cookies.get(device_cookie(user_id))
        )
        login = step.login
        if step.next_page == "done":
            done = await self._entered(request, login)
            self._keep_device(request, done, user_id, step.device)
            return done.response()
        ends = datetime.fromtimestamp(login.since + HALF_LIFETIME, timezone.utc)
        body = {"status": "pending", "next": NEXT[step.next_page], "session": None}
        body |= {"pending_token": self._tokens.pending(login, step.next_page), "expires_at": rfc3339(ends)}
        return Answer(body).response()

    async def require_login(self, request: Request) -> str:
        """The user's id, if logged in by as many factors as there are.

        :raises ProblemError: if not
        """
        return (await self._run(self.gate.inside, await self._find(request))).user_id

    async def require_mfa(self, request: Request) -> str:
        """The user's id, if the second factor was passed.

        :raises ProblemError: if not
        """
        return (await self._run(self.gate.passed, await self._find(request))).user_id

    async def require_fresh(self, request: Request) -> str:
        """The user's id, if all factors that there are were proved within `fresh_seconds`.

        :raises ProblemError: if not
        """
        return (await self._run(self.gate.fresh, await self._find(request))).user_id

    # The operations

    async def verify(
        self, request: Request, *, code: str, pending_token: str | None = None, trust_device: bool = False
    ) -> Answer:
        """A code of an authenticator app: ends a pending login, or refreshes one that is done."""
        login, _ = await self._who(request, pending_token)
        entered = await self._run(self.gate.verify, login, code)
        device = None
        if trust_device and login.stage == "half":
            name = device_name(request.headers.get("user-agent", ""))
            device = await self._run(self.gate.trust, entered, name)
        done = await self._entered(request, entered)
        self._keep_device(request, done, login.user_id, device)
        return done

    async def recover(self, request: Request, *, code: str, pending_token: str | None = None) -> Answer:
        """The same by a recovery code."""
        login, to = await self._who(request, pending_token)
        if to == "challenge" and (await self._run(self.mfa.status, user_id=login.user_id)).disabled:
            # It ran into the lockout, and died of it: begin with the password.
            raise login_required(self.texts, "pending-login-expired")
        entered, verification = await self._run(self.gate.recover, login, code, recovery=True)
        done = await self._entered(request, entered)
        done.body["recovery_codes_left"] = verification.remaining
        return done

    async def enroll(self, request: Request, *, name: str = "", pending_token: str | None = None) -> Answer:
        """A new key, to be scanned, and confirmed by its first code. No other answer holds it."""
        login, _ = await self._who(request, pending_token)
        login = await self._run(self.gate.enroll, login, name)
        enrollment = await self._run(self.gate.pending, login)
        if enrollment is None:
            raise problem_of(EnrollmentExpired(), self.texts, self.gate.now())
        body = {
            "factor_id": enrollment.factor_id,
            "uri": enrollment.uri,
            "secret": enrollment.secret,
            "qr_svg": enrollment.qr.svg(title=self.texts("setup.qr")),
            "expires_at": rfc3339(enrollment.expires_at),
        }
        return Answer(body, 201)

    async def confirm(self, request: Request, *, factor_id: str, code: str, pending_token: str | None = None) -> Answer:
        """Ends an enrollment, and with it a login that had to set up first."""
        login, _ = await self._who(request, pending_token)
        entered, codes = await self._run(self.gate.confirm, replace(login, pending=factor_id), code)
        done = await self._entered(request, entered)
        done.body["recovery_codes"] = list(codes)
        return done

    async def status(self, request: Request) -> Answer:
        """What there is of the user who is logged in."""
        login = await self._run(self.gate.inside, await self._find(request))
        status = await self._run(self.mfa.status, user_id=login.user_id)
        days = self.mfa.policy.trusted_device_days
        devices = await self._run(self.mfa.trusted_devices, user_id=login.user_id) if days else []
        body = {
            "enrolled": status.enrolled,
            "required": self.gate.mode == "required",
            "fresh": await self._is_fresh(login),
            "factors": [_factor(one) for one in status.factors],
            "recovery_codes_left": status.recovery_codes,
            "disabled": status.disabled,
            "retry_at": _moment(status.retry_at),
            "trusted_device_days": days,
            "trusted_devices": [
                {
                    "device_id": one.series,
                    "name": one.name,
                    "created_at": rfc3339(one.created_at),
                    "last_used_at": rfc3339(one.last_used_at),
                    "expires_at": rfc3339(one.expires_at),
                }
                for one in devices
            ],
        }
        return Answer(body)

    async def remove(self, request: Request, *, factor_id: str) -> Answer:
        """Removes a factor of the user's own."""
        login = await self._find(request)
        try:
            removed = await self._run(self.gate.remove, login, factor_id)
        except ProblemError as error:
            if error.kind == "not-enrolled":
                raise ProblemError("no-such-factor", 404, self.texts("settings.gone")) from None
            raise
        return Answer(_factor(removed))

    async def regenerate(self, request: Request) -> Answer:
        """New recovery codes, given this once. The earlier ones end."""
        _, codes = await self._run(self.gate.new_codes, await self._find(request))
        return Answer({"recovery_codes": list(codes)}, 201)

    async def forget(self, request: Request, *, device_id: str | None = None) -> Answer:
        """Trusts a device of the user's own no more, or none of them."""
        gone = await self._run(self.gate.forget_devices, await self._find(request), device_id)
        return Answer({"forgotten": gone})

    # Below

    async def _who(self, request: Request, pending_token: str | None) -> tuple[Login, str]:
        """The login that a step belongs to: the pending one, if the client names one."""
        if pending_token is not None:
            found = self._tokens.read_pending(pending_token)
            if found is None:
                raise login_required(self.texts, "pending-login-expired")
            return found
        login = await self._find(request)
        if login is None:
            raise login_required(self.texts)
        return login, ""

    async def _find(self, request: Request) -> Login | None:
        """The login of whom the application names. Where the stamp is missing, or another user's, that is as good as a
        password: a token of the application's own, a reset password, a line that someone forgot."""
        user = await _call(self._current_user, request)
        if user is None:
            return None
        if not isinstance(user, str):
            raise TypeError("current_user must return a str or None")
        login = self._tokens.read_stamp(await _call(self._stamp, request))
        if login is not None and login.user_id == user:
            return login
        name = await _call(self._account_name, user) if self._account_name else user
        return (await self._run(self.gate.again, user, name)).login

    async def _is_fresh(self, login: Login) -> bool:
        try:
            await self._run(self.gate.fresh, login)
        except ProblemError as error:
            if error.kind == "fresh-authentication-required":
                return False
            raise
        return True

    async def _entered(self, request: Request, login: Login) -> Answer:
        """Lets the application know that the login is done."""
        done = Answer({"status": "done", "next": None, "pending_token": None, "expires_at": None, "session": None})
        made = await _call(self._on_login, request, done.beside, login.user_id, self._tokens.stamp(login))
        if made:
            done.body["session"] = dict(made)
        return done

    def _keep_device(self, request: Request, done: Answer, user_id: str, device: DeviceToken | None) -> None:
        if device is None:
            return
        secure = request.url.scheme == "https" if self._secure_cookies is None else self._secure_cookies
        done.beside.set_cookie(
            device_cookie(user_id),
            device.token,
            expires=device.expires_at,
            secure=secure,
            httponly=True,
            samesite="lax",
            path=request.scope.get("app_root_path", "") or "/",
        )

    async def _run(self, step: "Callable[..., _T]", *arguments: object, recovery: bool = False, **more: object) -> "_T":
        try:
            return await run_sync(functools.partial(step, *arguments, **more))
        except _REFUSALS as error:
            raise problem_of(error, self.texts, self.gate.now(), recovery=recovery) from None


async def _call(function: Callable[_P, _Maybe[_T]], *arguments: _P.args, **more: _P.kwargs) -> _T:
    """What a callable of the application's gives, async or not."""
    call = functools.partial(function, *arguments, **more)
    of_class = getattr(function, "__call__", None)  # noqa: B004 — an object whose call is async
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(of_class):
        given = call()
    else:
        given = await run_sync(call)
    return cast(_T, await given if inspect.isawaitable(given) else given)


def a_hex_id(text: str) -> bool:
    """Whether it can be the id of a factor or a device."""
    return _ID.fullmatch(text) is not None


def _factor(factor: FactorInfo) -> dict[str, Any]:
    return {
        "factor_id": factor.factor_id,
        "kind": factor.kind,
        "name": factor.name,
        "state": factor.state,
        "created_at": rfc3339(factor.created_at),
        "last_used_at": _moment(factor.last_used_at),
        "legacy": factor.legacy,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
