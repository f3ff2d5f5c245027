"""`Operations`: the steps of a login and of its changes, each from a request to an answer.

What a code is worth is decided by `ferrotp.mfa`, and what may be done when by `ferrotp.web.Gate`. Here is only who
asks, and what is said. The gate asks the store, so it runs in the thread pool.
"""

import functools
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..mfa import (
    MFA,
    AuditContext,
    DeviceToken,
    EnrollmentExpired,
    InvalidIdentifier,
    MFAError,
    PasskeyUnknown,
    UserId,
    user_id_text,
)
from ..mfa.audit_chain import request_context
from ..web import Gate, Login, LoginRequired, SetupError, StepError, Texts, check_store, device_name
from ..web.api_answers import activity_body, factor_body, status_body
from ..web.api_fields import Operation, offered
from ..web.gate import Mode
from ..web.problems import NEXT, Problem, codes_problem_of, had_drift, problem_of, rfc3339
from ..web.texts import Folders
from .problems import HEADERS, ProblemError, pending_login_expired
from .tokens import Tokens

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MaybeAwaitable: TypeAlias = _T | Awaitable[_T]

_GATE = "ferrotp.gate"
"""Where a request keeps the gate for its tenant."""

_SPEAKS = "ferrotp.language"
"""Where a request keeps that its language is known."""

_language: ContextVar[str] = ContextVar("ferrotp_language", default="en")
"""What the request that is answered wants to read."""


@dataclass(slots=True)
class Answer:
    """What an operation gives: the body, and the cookies that the application and the operation set."""

    body: dict[str, Any] = field(repr=False)
    status: int = 200
    cookies: Response = field(default_factory=Response, repr=False)

    def response(self) -> Response:
        """For the client."""
        response = JSONResponse(self.body, self.status, dict(HEADERS))
        response.raw_headers.extend(header for header in self.cookies.raw_headers if header[0] == b"set-cookie")
        return response


class Operations:
    """Those of one application. Its parameters are those of `StarletteMFA`."""

    def __init__(
        self,
        mfa: MFA,
        *,
        secret_key: str | Sequence[str],
        current_user: Callable[[Request], _MaybeAwaitable[UserId | None]],
        stamp: Callable[[Request], _MaybeAwaitable[str | None]],
        on_login: Callable[[Request, Response, str, str], _MaybeAwaitable[Mapping[str, object] | None]],
        account_name: Callable[[str], _MaybeAwaitable[str]] | None = None,
        mode: Mode = "optional",
        required: Callable[[str], object] | None = None,
        passkey_required: Callable[[str], object] | None = None,
        flat_session: bool = False,
        fresh_seconds: int = 600,
        secure_cookies: bool | None = None,
        language: str | Callable[[Request], _MaybeAwaitable[str]] = "en",
        translations: Folders = (),
        tenant: Callable[[Request], _MaybeAwaitable[str]] | None = None,
        may_sign_in: Callable[[str], _MaybeAwaitable[object]] | None = None,
    ) -> None:
        passkeys = mfa.policy.passkeys
        if passkeys is not None and passkeys.sign_in and may_sign_in is None:
            raise SetupError(
                "the policy lets users sign in by a passkey alone: pass StarletteMFA(may_sign_in=...), which says"
                " whether a user is there and may log in"
            )
        self._may_sign_in = may_sign_in
        self.mfa = mfa
        self._flat_session = flat_session
        self.gate = Gate(
            mfa,
            mode=mode,
            required=required,
            passkey_required=passkey_required,
            fresh_seconds=fresh_seconds,
            clock=mfa.clock,
        )
        self._language = language
        self.texts = Texts(language=_language.get if callable(language) else language, translations=translations)
        self._tokens = Tokens(self.gate, secret_key)
        self._tenant = tenant
        self._current_user = current_user
        self._stamp = stamp
        self._on_login = on_login
        self._account_name = account_name
        self._secure_cookies = secure_cookies
        check_store(mfa)

    async def begin_login(
        self, request: Request, user_id: UserId, account_name: str, *, enrolled: bool = False
    ) -> Response:
        """Call it when the password was right, and return what it gives: that the login is done, or a pending token and
        which operation leads on.

        :param user_id: immutable and never used again: the primary key, and no address or login name
        :param account_name: as the user knows the account: an address, for one
        :param enrolled: whether the application's own record says that the user has a second factor: where the store
            has none, nobody is let in
        :raises InvalidIdentifier: if the id is of another type
        :raises ProblemError: if nobody can have such an id, or the second factor is lost
        """
        gate, user_id = await self._gate(request), self._user_id_text(user_id)
        token = request.cookies.get(self._device_cookie(request, gate, user_id)[0])
        step = await self._in_thread(gate.begin, user_id, account_name, device_token=token, enrolled=enrolled)
        login = step.login
        if step.next_page == "done":
            done = await self._complete_login(request, login)
            await self._set_device_cookie(request, done, user_id, step.device)
            return done.response()
        ends = datetime.fromtimestamp(login.since + self.mfa.policy.half_login_lifetime, timezone.utc)
        body = {
            "status": "pending",
            "next": NEXT[step.next_page],
            "pending_token": self._tokens.of(gate).sign_half_login(login, step.next_page),
            "expires_at": rfc3339(ends),
            "session": None,
        }
        return Answer(body).response()

    # What a route may ask for

    async def require_login(self, request: Request) -> str:
        """The user's id, if logged in by as many factors as there are.

        :raises ProblemError: if not
        """
        gate = await self._gate(request)
        return (await self._in_thread(gate.require_login, await self._current_login(request))).user_id

    async def require_mfa(self, request: Request) -> str:
        """The user's id, if the second factor was passed in this login.

        :raises ProblemError: if not
        """
        gate = await self._gate(request)
        return (await self._in_thread(gate.require_mfa, await self._current_login(request))).user_id

    async def require_fresh(self, request: Request) -> str:
        """The user's id, if all factors that there are were proved within `fresh_seconds`.

        :raises ProblemError: if not
        """
        gate = await self._gate(request)
        return (await self._in_thread(gate.require_fresh, await self._current_login(request))).user_id

    async def require_fresh_mfa(self, request: Request) -> str:
        """The user's id, if the second factor was passed, within `fresh_seconds`.

        :raises ProblemError: if not
        """
        gate = await self._gate(request)
        return (await self._in_thread(gate.require_fresh_mfa, await self._current_login(request))).user_id

    # The operations

    async def status(self, request: Request) -> Answer:
        """What there is of the user who is logged in."""
        gate = await self._gate(request)
        login = await self._in_thread(gate.require_login, await self._current_login(request))
        return Answer(await self._in_thread(status_body, gate, login))

    async def verify(
        self, request: Request, *, code: str, pending_token: str | None = None, trust_device: bool = False
    ) -> Answer:
        """A code of an authenticator app: ends a pending login, or refreshes one that is done."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        try:
            verified, _ = await self._in_thread(gate.verify, login, code)
        except ProblemError as error:
            if error.status_code == 429:
                error.document["next"] = "unlock"
            await self._hint_at_clock(gate, login, error)
            raise
        return await self._verified(request, login, verified, trust_device=trust_device)

    async def unlock(
        self,
        request: Request,
        *,
        code: str,
        next_code: str,
        pending_token: str | None = None,
        trust_device: bool = False,
    ) -> Answer:
        """The same by two codes in a row, while single ones are delayed."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        try:
            verified, _ = await self._in_thread(gate.unlock, login, code, next_code, two_codes=True)
        except ProblemError as error:
            await self._hint_at_clock(gate, login, error)
            raise
        return await self._verified(request, login, verified, trust_device=trust_device)

    async def _hint_at_clock(self, gate: Gate, login: Login, error: ProblemError) -> None:
        """A wrong code may be that of a device whose clock is off: the user is told so, as on the pages."""
        if error.kind not in ("invalid-code", "too-many-attempts"):
            return
        try:
            status = await self._in_thread(gate.mfa.status, user_id=login.user_id)
        except ProblemError:  # what the code was is said in any case
            return
        if had_drift(status):
            error.document["detail"] = f"{error.document['detail']} {self.texts('challenge.clock')}"

    async def passkey_challenge(self, request: Request, *, pending_token: str | None = None) -> Answer:
        """What the browser needs to use a passkey instead of a code."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        session = await self._passkey_session(request, login, pending_token)
        return Answer({"options": await self._in_thread(gate.passkey_challenge, login, session)})

    async def verify_passkey(
        self,
        request: Request,
        *,
        credential: dict[str, Any],
        pending_token: str | None = None,
        trust_device: bool = False,
    ) -> Answer:
        """The answer of a passkey: ends a pending login, or refreshes one that is done."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        session = await self._passkey_session(request, login, pending_token)
        verified = await self._in_thread(gate.verify_passkey, login, credential, session)
        return await self._verified(request, login, verified, trust_device=trust_device)

    async def begin_passkey(self, request: Request, *, pending_token: str | None = None) -> Answer:
        """What the browser needs to make a passkey."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        session = await self._passkey_session(request, login, pending_token)
        return Answer({"options": await self._in_thread(gate.begin_passkey, login, session)})

    async def finish_passkey(
        self, request: Request, *, credential: dict[str, Any], name: str = "", pending_token: str | None = None
    ) -> Answer:
        """Registers a passkey, and ends with it a login that had to set up first."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        session = await self._passkey_session(request, login, pending_token)
        confirmed, passkey = await self._in_thread(gate.finish_passkey, login, credential, name, session)
        # The application first: if it fails, there are no codes that nobody has seen.
        done = await self._complete_login(request, confirmed)
        _, codes = await self._in_thread(gate.first_codes, confirmed)
        done.body.update(recovery_codes=list(codes), factor_id=passkey.factor_id)
        return Answer(done.body, 201, done.cookies)

    async def sign_in_challenge(self, request: Request) -> Answer:
        """What the browser needs to sign in by a passkey alone."""
        gate, token = await self._gate(request), secrets.token_urlsafe(16)
        return Answer({"options": await self._in_thread(gate.sign_in_challenge, token), "sign_in_token": token})

    async def sign_in(self, request: Request, *, credential: dict[str, Any], sign_in_token: str) -> Answer:
        """A passkey alone, as both factors."""
        gate = await self._gate(request)
        login = await self._in_thread(gate.sign_in, credential, sign_in_token, signing_in=True)
        if self._may_sign_in is None or not await _call_application(self._may_sign_in, login.user_id):
            raise ProblemError(problem_of(PasskeyUnknown(), self.texts, self.gate.now(), sign_in=True))
        name = await _call_application(self._account_name, login.user_id) if self._account_name else ""
        return await self._complete_login(request, replace(login, account_name=name or login.user_id))

    def offered(self) -> list[Operation]:
        """The operations that the policy has."""
        passkeys = self.mfa.policy.passkeys
        return offered(passkeys is not None, passkeys is not None and passkeys.sign_in, self.mfa.audited)

    async def _passkey_session(self, request: Request, login: Login, pending_token: str | None) -> str:
        """What names the login from one request to the next: its id, which is in the pending token or the stamp. A
        login that the application alone knows has none that lasts; its challenges are bound to the user."""
        if pending_token is not None:
            return login.nonce
        stamped = self._tokens.of(await self._gate(request)).read_stamp(await _call_application(self._stamp, request))
        return login.nonce if stamped is not None and stamped.nonce == login.nonce else "the application's own"

    async def _verified(self, request: Request, login: Login, verified: Login, *, trust_device: bool) -> Answer:
        gate = await self._gate(request)
        device = None
        if trust_device and login.stage == "half":
            name = device_name(request.headers.get("user-agent", ""))
            device = await self._in_thread(gate.trust_device, verified, name)
        done = await self._complete_login(request, verified)
        await self._set_device_cookie(request, done, login.user_id, device)
        return done

    async def recover(self, request: Request, *, code: str, pending_token: str | None = None) -> Answer:
        """The same by a recovery code."""
        gate = await self._gate(request)
        login, first_page = await self._pending_or_current_login(request, pending_token)
        if first_page == "challenge" and (await self._in_thread(gate.mfa.status, user_id=login.user_id)).disabled:
            # It ran into the lockout, and died of it: begin with the password.
            raise pending_login_expired(self.texts)
        verified, verification = await self._in_thread(gate.recover, login, code, recovery=True)
        done = await self._complete_login(request, verified)
        done.body["recovery_codes_left"] = verification.remaining
        return done

    async def cancel(self, request: Request, *, pending_token: str) -> Answer:
        """Ends a login that waits for the second factor."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        await self._in_thread(gate.cancel, login)
        return Answer({"status": "cancelled"})

    async def enroll(self, request: Request, *, name: str = "", pending_token: str | None = None) -> Answer:
        """A new key, to be scanned, and confirmed by its first code. No other answer holds it."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        login = await self._in_thread(gate.enroll, login, name)
        enrollment = await self._in_thread(gate.pending_enrollment, login)
        if enrollment is None:
            raise self._problem(EnrollmentExpired())
        body = {
            "factor_id": enrollment.factor_id,
            "uri": enrollment.uri,
            "secret": enrollment.secret,
            "qr_svg": enrollment.qr.svg(title=self.texts("setup.qr")),
            "expires_at": rfc3339(enrollment.expires_at),
        }
        return Answer(body, 201)

    async def confirm(
        self, request: Request, *, factor_id: str, code: str, name: str = "", pending_token: str | None = None
    ) -> Answer:
        """Ends an enrollment, and with it a login that had to set up first."""
        gate = await self._gate(request)
        login, _ = await self._pending_or_current_login(request, pending_token)
        confirmed = await self._in_thread(gate.confirm, replace(login, pending_factor=factor_id), code, name)
        # The application first: if it fails, there are no codes that nobody has seen.
        done = await self._complete_login(request, confirmed)
        _, codes = await self._in_thread(gate.first_codes, confirmed)
        done.body["recovery_codes"] = list(codes)
        return done

    async def regenerate(self, request: Request, *, end_sessions: bool = False) -> Answer:
        """New recovery codes, given this once. The earlier ones end."""
        gate, login = await self._gate(request), await self._current_login(request)
        kept, codes = await self._in_thread(gate.new_codes, login, end_sessions=end_sessions, making_codes=True)
        done = await self._complete_login(request, kept) if end_sessions else Answer({"session": None})
        return Answer({"recovery_codes": list(codes), "session": done.body["session"]}, 201, done.cookies)

    async def end_sessions(self, request: Request) -> Answer:
        """Logs the user out everywhere else."""
        gate = await self._gate(request)
        login = await self._in_thread(gate.end_sessions, await self._current_login(request))
        return await self._complete_login(request, login)

    async def remove(self, request: Request, *, factor_id: str) -> Answer:
        """Removes a factor of the user's own."""
        gate = await self._gate(request)
        login = await self._current_login(request)
        try:
            kept, removed = await self._in_thread(gate.remove, login, factor_id)
        except ProblemError as error:
            if error.kind == "not-enrolled":
                raise ProblemError(Problem("no-such-factor", 404, self.texts("settings.gone"))) from None
            raise
        done = await self._complete_login(request, kept)
        return Answer({**factor_body(removed), "session": done.body["session"]}, cookies=done.cookies)

    async def forget_devices(self, request: Request) -> Answer:
        """Stops trusting all of the user's devices."""
        gate = await self._gate(request)
        count = await self._in_thread(gate.forget_devices, await self._current_login(request))
        return Answer({"forgotten": count})

    async def forget_device(self, request: Request, *, device_id: str) -> Answer:
        """Stops trusting one of them."""
        gate = await self._gate(request)
        count = await self._in_thread(gate.forget_devices, await self._current_login(request), device_id)
        return Answer({"forgotten": count})

    async def activity(self, request: Request) -> Answer:
        """What happened to the user who is logged in, of late."""
        gate = await self._gate(request)
        login = await self._in_thread(gate.require_login, await self._current_login(request))
        return Answer(await self._in_thread(activity_body, gate, login))

    # Below

    async def _gate(self, request: Request) -> Gate:
        """The gate for the tenant of a request, asked for once. Every operation begins here."""
        if callable(self._language) and _SPEAKS not in request.scope:
            request.scope[_SPEAKS] = True
            _language.set(await _call_application(self._language, request) or "en")
        if self.mfa.audited:
            address = request.client.host if request.client else ""
            request_context.set(AuditContext(address, request.headers.get("user-agent", "")))
        if self._tenant is None:
            return self.gate
        if _GATE not in request.scope:  # which is of one request alone
            tenant = await _call_application(self._tenant, request)
            if not tenant:
                raise InvalidIdentifier("tenant() gave none: nobody is taken for a user of no tenant")
            request.scope[_GATE] = self.gate.for_tenant(tenant)
        return cast(Gate, request.scope[_GATE])

    async def _pending_or_current_login(self, request: Request, pending_token: str | None) -> tuple[Login, str]:
        """The half-login, if the client names one, and the page that it began with; otherwise who is logged in."""
        if pending_token is not None:
            half_login = self._tokens.of(await self._gate(request)).read_half_login(pending_token)
            if half_login is None:
                raise pending_login_expired(self.texts)
            return half_login
        login = await self._current_login(request)
        if login is None:
            raise self._problem(LoginRequired())
        return login, ""

    async def _current_login(self, request: Request) -> Login | None:
        """The login of the user whom the application names. Where the stamp is missing, or another user's, that is as
        good as a password: a token of the application's own, a reset password, a line that someone forgot."""
        application_id = await _call_application(self._current_user, request)
        if application_id is None:
            return None
        gate, user_id = await self._gate(request), self._user_id_text(application_id)
        login = self._tokens.of(gate).read_stamp(await _call_application(self._stamp, request))
        if login is not None and login.user_id == user_id:
            return login
        name = await _call_application(self._account_name, user_id) if self._account_name else user_id
        return (await self._in_thread(gate.adopt, user_id, name)).login

    async def _complete_login(self, request: Request, login: Login) -> Answer:
        """Lets the application know that the login is done."""
        done = Answer({"status": "done", "next": None, "pending_token": None, "expires_at": None, "session": None})
        stamp = self._tokens.of(await self._gate(request)).sign_stamp(login)
        session = await _call_application(self._on_login, request, done.cookies, login.user_id, stamp)
        if session:
            done.body["session"] = dict(session)
            if self._flat_session:
                done.body = {**session, **done.body}
        return done

    async def _set_device_cookie(
        self, request: Request, done: Answer, user_id: str, device: DeviceToken | None
    ) -> None:
        if device is None:
            return
        gate = await self._gate(request)
        name, secure, path = self._device_cookie(request, gate, user_id)
        done.cookies.set_cookie(
            name,
            device.token,
            expires=device.expires_at,
            secure=secure,
            httponly=True,
            samesite="lax",
            path=path,
        )

    def _device_cookie(self, request: Request, gate: Gate, user_id: str) -> tuple[str, bool, str]:
        """Its name, whether it is for HTTPS alone, and its path."""
        secure = self._secure_cookies
        if secure is None:
            secure = request.url.scheme == "https" or not getattr(request.app, "debug", False)
        path = request.scope.get("app_root_path", "") or "/"
        return gate.device_cookie(user_id, host=secure and path == "/"), secure, path

    async def _in_thread(
        self,
        step: "Callable[..., _T]",
        *arguments: object,
        recovery: bool = False,
        making_codes: bool = False,
        two_codes: bool = False,
        signing_in: bool = False,
        **more: object,
    ) -> "_T":
        """What a step of the gate or the service gives. What it raises is told as a problem."""
        try:
            return await run_sync(functools.partial(step, *arguments, **more))
        except (MFAError, StepError) as error:
            if making_codes:
                raise ProblemError(codes_problem_of(error, self.texts, self.gate.now())) from None
            about = {"recovery": recovery, "two_codes": two_codes, "sign_in": signing_in}
            raise ProblemError(problem_of(error, self.texts, self.gate.now(), **about)) from None

    def _user_id_text(self, user_id: UserId) -> str:
        """The id in the service's text. A text that is no id may come from a visitor: nobody has it. Another type is
        the application's fault, and raised as it is."""
        try:
            return user_id_text(user_id)
        except InvalidIdentifier as error:
            if isinstance(user_id, str):
                raise self._problem(error) from None
            raise

    def _problem(self, error: Exception) -> ProblemError:
        return ProblemError(problem_of(error, self.texts, self.gate.now()))


async def _call_application(function: Callable[_P, _MaybeAwaitable[_T]], *arguments: _P.args, **more: _P.kwargs) -> _T:
    """What a callable of the application's gives, async or not."""
    call = functools.partial(function, *arguments, **more)
    of_class = getattr(function, "__call__", None)  # noqa: B004 — an object whose call is async
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(of_class):
        given = call()
    else:
        given = await run_sync(call)
    return cast(_T, await given if inspect.isawaitable(given) else given)
