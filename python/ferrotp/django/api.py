"""The JSON API: the operations of `ferrotp.web.api_fields`, for pages in JavaScript and for programs.

`SessionAPI` keeps a login in Django's session, half-logins too. `TokenAPI` gives a half-login to the client as a
signed token, and a login that is done to the application, which makes a token of its own of it. What a code is worth
is decided by `ferrotp.mfa`, and what may be done when by `ferrotp.web.Gate`.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_variables

from ferrotp.mfa import (
    DeviceToken,
    EnrollmentExpired,
    FactorDisabled,
    InvalidCode,
    MFAError,
    NotEnrolled,
    PasskeyRefused,
    Throttled,
)
from ferrotp.web import Gate, Login, LoginRequired, LoginStep, NotFresh, SessionEnded, StepError, device_name
from ferrotp.web.api_answers import activity_body, factor_body, status_body
from ferrotp.web.api_fields import MAX_TOKEN_LENGTH, PENDING_TOKEN, Body, Operation, offered
from ferrotp.web.errors import HalfLoginEnded
from ferrotp.web.problems import NEXT, Problem, codes_problem_of, had_drift, problem_of, rfc3339

from . import auth
from .conf import conf
from .service import current_tenant, gate_for, gate_for_anybody, is_sign_in_offered, now, user_id_of
from .texts import texts
from .views import non_atomic

OnLogin = Callable[[HttpRequest, Any, str], Mapping[str, object] | None]


class RequestFault(Exception):
    """The request is not as documented."""

    def __init__(self, problem: Problem, **more: object) -> None:
        super().__init__(problem.message)
        self.problem, self.more = problem, more


class API:
    """What both have in common."""

    uses_session = True

    # What they do otherwise

    def _asking(self, request: HttpRequest, pending_token: str | None) -> tuple[Login, Any, str]:
        """The login that asks, its user, and the page that it began with, if it is a half-login in a token."""
        raise NotImplementedError

    def _current(self, request: HttpRequest) -> tuple[Login | None, Any]:
        """The login that is done, and its user."""
        raise NotImplementedError

    def _complete(self, request: HttpRequest, login: Login, user: Any) -> dict[str, Any]:
        """Makes a login that is done the client's."""
        raise NotImplementedError

    def _hold(self, request: HttpRequest, user: Any, step: LoginStep, backend: str) -> str | None:
        """Keeps a half-login; gives the token that the client shows again, if it needs one."""
        raise NotImplementedError

    # The login

    def begin_login(
        self,
        request: HttpRequest,
        user: Any,
        *,
        remember: bool | None = None,
        backend: str | None = None,
        enrolled: bool = False,
        passed_by: str = "",
    ) -> JsonResponse:
        """Call it when the password was right, and return what it gives: that the login is done, or which operation
        leads on. The parameters are those of `ferrotp.django.begin_login`."""
        try:
            step, backend = auth.begin_step(
                request, user, remember=remember, backend=backend, enrolled=enrolled, passed_by=passed_by
            )
        except MFAError as error:
            return auth.problem_response(auth.problem_of(request, error))
        if step.next_page == "done":
            body = self._complete(request, auth.bind(step.login, user, backend), user)
            return _answer(request, body, user=user, device=step.device)
        ends = datetime.fromtimestamp(step.login.since + conf().policy.half_login_lifetime, timezone.utc)
        token = self._hold(request, user, step, backend)
        body = {"status": "pending", "next": NEXT[step.next_page], "pending_token": token, "expires_at": rfc3339(ends)}
        return _answer(request, {**body, "session": None})

    # The operations

    def status(self, request: HttpRequest) -> HttpResponse:
        """What there is of the user who is logged in."""
        login, user = self._current(request)
        gate = self._gate(user)
        return _answer(request, status_body(gate, gate.require_login(login)))

    def verify(
        self, request: HttpRequest, *, code: str, pending_token: str | None = None, trust_device: bool = False
    ) -> HttpResponse:
        """A code of an authenticator app."""
        login, user, _ = self._asking(request, pending_token)
        verified, _ = self._attempt(request, login, user, lambda gate: gate.verify(login, code))
        return self._verified(request, login, verified, user, trust_device=trust_device)

    def unlock(
        self,
        request: HttpRequest,
        *,
        code: str,
        next_code: str,
        pending_token: str | None = None,
        trust_device: bool = False,
    ) -> HttpResponse:
        """The same by two codes in a row, while single ones are delayed."""
        login, user, _ = self._asking(request, pending_token)
        verified, _ = self._attempt(
            request, login, user, lambda gate: gate.unlock(login, code, next_code), two_codes=True
        )
        return self._verified(request, login, verified, user, trust_device=trust_device)

    def recover(self, request: HttpRequest, *, code: str, pending_token: str | None = None) -> HttpResponse:
        """The same by a recovery code."""
        login, user, first_page = self._asking(request, pending_token)
        if first_page == "challenge" and self._gate(user).mfa.status(user_id=login.user_id).disabled:
            raise HalfLoginEnded  # it ran into the lockout, and died of it: begin with the password
        verified, used = self._attempt(request, login, user, lambda gate: gate.recover(login, code), recovery=True)
        body = self._complete(request, verified, user)
        return _answer(request, {**body, "recovery_codes_left": used.remaining})

    def passkey_challenge(self, request: HttpRequest, *, pending_token: str | None = None) -> HttpResponse:
        """What the browser needs to use a passkey instead of a code."""
        login, user, _ = self._asking(request, pending_token)
        return _answer(request, {"options": self._gate(user).passkey_challenge(login)})

    def verify_passkey(
        self,
        request: HttpRequest,
        *,
        credential: dict[str, Any],
        pending_token: str | None = None,
        trust_device: bool = False,
    ) -> HttpResponse:
        """The answer of a passkey."""
        login, user, _ = self._asking(request, pending_token)
        verified = self._attempt(request, login, user, lambda gate: gate.verify_passkey(login, credential))
        return self._verified(request, login, verified, user, trust_device=trust_device)

    def sign_in_challenge(self, request: HttpRequest) -> HttpResponse:
        """What the browser needs to sign in by a passkey alone."""
        token = secrets.token_urlsafe(16)
        options = gate_for_anybody().sign_in_challenge(token)
        return _answer(request, {"options": options, "sign_in_token": token})

    def sign_in(self, request: HttpRequest, *, credential: dict[str, Any], sign_in_token: str) -> HttpResponse:
        """A passkey alone, as both factors."""
        try:
            login, user = auth.known_sign_in(gate_for_anybody().sign_in(credential, sign_in_token))
        except PasskeyRefused as error:
            raise RequestFault(problem_of(error, texts, now(), sign_in=True)) from None
        return _answer(request, self._complete(request, login, user))

    def begin_passkey(self, request: HttpRequest, *, pending_token: str | None = None) -> HttpResponse:
        """What the browser needs to make a passkey."""
        login, user, _ = self._asking(request, pending_token)
        return _answer(request, {"options": self._gate(user).begin_passkey(login)})

    def finish_passkey(
        self,
        request: HttpRequest,
        *,
        credential: dict[str, Any],
        name: str = "",
        pending_token: str | None = None,
    ) -> HttpResponse:
        """Registers a passkey, and ends with it a login that had to set up first."""
        login, user, _ = self._asking(request, pending_token)
        confirmed, passkey = self._gate(user).finish_passkey(login, credential, name)
        body = self._with_first_codes(request, confirmed, user)
        return _answer(request, {**body, "factor_id": passkey.factor_id}, 201)

    def cancel(self, request: HttpRequest, *, pending_token: str) -> HttpResponse:
        """Ends a login that waits for the second factor."""
        login, user, _ = self._asking(request, pending_token)
        self._gate(user).cancel(login)
        return _answer(request, {"status": "cancelled"})

    def enroll(self, request: HttpRequest, *, name: str = "", pending_token: str | None = None) -> HttpResponse:
        """A new key, to be scanned, and confirmed by its first code. No other answer holds it."""
        login, user, _ = self._asking(request, pending_token)
        gate = self._gate(user)
        enrollment = gate.pending_enrollment(gate.enroll(login, name))
        if enrollment is None:
            raise EnrollmentExpired
        body = {
            "factor_id": enrollment.factor_id,
            "uri": enrollment.uri,
            "secret": enrollment.secret,
            "qr_svg": enrollment.qr.svg(title=texts("setup.qr")),
            "expires_at": rfc3339(enrollment.expires_at),
        }
        return _answer(request, body, 201)

    def confirm(
        self, request: HttpRequest, *, factor_id: str, code: str, name: str = "", pending_token: str | None = None
    ) -> HttpResponse:
        """The first code of a new factor."""
        login, user, _ = self._asking(request, pending_token)
        confirmed = self._gate(user).confirm(replace(login, pending_factor=factor_id), code, name)
        return _answer(request, self._with_first_codes(request, confirmed, user))

    def regenerate(self, request: HttpRequest, *, end_sessions: bool = False) -> HttpResponse:
        """New recovery codes, given this once. The earlier ones end."""
        login, user = self._current(request)
        gate = self._gate(user)
        try:
            kept, codes = gate.new_codes(login, end_sessions=end_sessions)
        except Throttled as error:
            raise RequestFault(codes_problem_of(error, texts, gate.now())) from None
        session = self._complete(request, kept, user)["session"] if end_sessions else None
        return _answer(request, {"recovery_codes": list(codes), "session": session}, 201)

    def end_sessions(self, request: HttpRequest) -> HttpResponse:
        """Logs the user out everywhere else."""
        login, user = self._current(request)
        return _answer(request, self._complete(request, self._gate(user).end_sessions(login), user))

    def remove(self, request: HttpRequest, *, factor_id: str) -> HttpResponse:
        """Removes a factor of the user's own."""
        login, user = self._current(request)
        try:
            kept, removed = self._gate(user).remove(login, factor_id)
        except NotEnrolled:
            raise RequestFault(Problem("no-such-factor", 404, texts("settings.gone"))) from None
        return _answer(request, {**factor_body(removed), "session": self._complete(request, kept, user)["session"]})

    def forget_devices(self, request: HttpRequest) -> HttpResponse:
        """Stops trusting all of the user's devices."""
        login, user = self._current(request)
        return _answer(request, {"forgotten": self._gate(user).forget_devices(login)})

    def forget_device(self, request: HttpRequest, *, device_id: str) -> HttpResponse:
        """Stops trusting one of them."""
        login, user = self._current(request)
        return _answer(request, {"forgotten": self._gate(user).forget_devices(login, device_id)})

    def activity(self, request: HttpRequest) -> HttpResponse:
        """What happened to the user who is logged in, of late."""
        login, user = self._current(request)
        gate = self._gate(user)
        return _answer(request, activity_body(gate, gate.require_login(login)))

    # The routes

    @property
    def operations(self) -> list[Operation]:
        """Those of this site."""
        return offered(conf().policy.passkeys is not None, is_sign_in_offered(), conf().audit)

    @property
    def urls(self) -> list[URLPattern]:
        """The routes: ``path("mfa/api/", include(api.urls))``."""
        return [path(route_of(operation), self.view(operation), name=operation.name) for operation in self.operations]

    def view(self, operation: Operation) -> Any:
        """The view of an operation."""

        def view(request: HttpRequest, **parameters: str) -> HttpResponse:
            if request.method != operation.method:
                refused = Problem("invalid-request", 405, f"Use {operation.method}.")
                response: HttpResponse = auth.problem_response(refused)
                response["Allow"] = operation.method
                return response
            return self.answer(request, operation, parameters)

        view.ferrotp_page = view.ferrotp_api = True  # type: ignore[attr-defined]
        view.login_required = False  # type: ignore[attr-defined]
        protected = csrf_protect(view) if self.uses_session else csrf_exempt(view)
        return non_atomic(protected)

    @sensitive_variables()
    def answer(self, request: HttpRequest, operation: Operation, parameters: Mapping[str, str]) -> HttpResponse:
        """What an operation answers: a problem, where it takes no step."""
        try:
            if self.uses_session and auth.is_impersonated(request):
                raise NotFresh("password")
            body = {} if operation.body is None else _posted(request, operation.body)
            answer: HttpResponse = getattr(self, operation.name)(request, **body, **parameters)
            return answer
        except RequestFault as fault:
            return auth.problem_response(fault.problem, **fault.more)
        except (MFAError, StepError) as error:
            if self.uses_session and isinstance(error, SessionEnded):
                auth.log_out(request)
            return auth.problem_response(auth.problem_of(request, error))

    # Below

    @staticmethod
    def _gate(user: Any) -> Gate:
        if user is None:
            raise LoginRequired
        return gate_for(user)

    def _attempt(
        self,
        request: HttpRequest,
        login: Login,
        user: Any,
        step: Callable[[Gate], Any],
        *,
        recovery: bool = False,
        two_codes: bool = False,
    ) -> Any:
        gate = self._gate(user)
        try:
            return step(gate)
        except (InvalidCode, Throttled, FactorDisabled, PasskeyRefused) as error:
            if login.stage == "half":
                auth.note_failure(request, user)
            problem = problem_of(error, texts, now(), recovery=recovery, two_codes=two_codes)
            if not recovery and isinstance(error, (InvalidCode, Throttled)):
                problem = _with_hint_at_clock(gate, login, problem)
            if problem.status == 429 and not recovery and not two_codes:
                problem = replace(problem, next="unlock")
            raise RequestFault(problem) from None

    def _verified(
        self, request: HttpRequest, login: Login, verified: Login, user: Any, *, trust_device: bool
    ) -> HttpResponse:
        device = None
        if trust_device and login.stage == "half":
            device = self._gate(user).trust_device(verified, device_name(request.headers.get("User-Agent", "")))
        return _answer(request, self._complete(request, verified, user), user=user, device=device)

    def _with_first_codes(self, request: HttpRequest, confirmed: Login, user: Any) -> dict[str, Any]:
        # The application first: if it fails, there are no codes that nobody has seen.
        body = self._complete(request, confirmed, user)
        _, codes = self._gate(user).first_codes(confirmed)
        return {**body, "recovery_codes": list(codes)}


class SessionAPI(API):
    """For pages in JavaScript of the same site: Django's session keeps the login, and its token against forgery guards
    each operation."""

    @property
    def operations(self) -> list[Operation]:
        """Those of this site. Here `cancel` needs no token to know which login it is about."""
        return [
            replace(each, body=replace(each.body, fields={"pending_token": PENDING_TOKEN}))
            if each.name == "cancel" and each.body
            else each
            for each in super().operations
        ]

    def _asking(self, request: HttpRequest, pending_token: str | None) -> tuple[Login, Any, str]:
        if pending_token is not None:
            raise RequestFault(Problem("pending-login-expired", 401, texts("error.gone")))  # here it is in the session
        login = auth.load(request)
        if login is None:
            raise LoginRequired
        return login, auth.user_of_login(request, login), ""

    def _current(self, request: HttpRequest) -> tuple[Login | None, Any]:
        login = auth.load(request)
        return login, None if login is None else auth.user_of_login(request, login)

    def _complete(self, request: HttpRequest, login: Login, user: Any) -> dict[str, Any]:
        auth.promote(request, login, user, login.backend)
        return {"status": "done", "next": None, "pending_token": None, "expires_at": None, "session": None}

    def _hold(self, request: HttpRequest, user: Any, step: LoginStep, backend: str) -> str | None:
        auth.hold(request, user, step.login, backend)
        return None

    def cancel(self, request: HttpRequest, *, pending_token: str | None = None) -> HttpResponse:
        """Ends a login that waits for the second factor."""
        login, user, _ = self._asking(request, None)
        if login.stage == "full":
            raise HalfLoginEnded
        self._gate(user).cancel(login)
        auth.log_out(request)
        return _answer(request, {"status": "cancelled"})


class TokenAPI(API):
    """For programs that show a token of the application's with each request.

    :param on_login: makes it, new each time: called as ``on_login(request, user, stamp)`` when a login is done, and
        again when the user has proved once more who it is, or has ended the other logins. What it returns is
        ``session`` in the answer. The *stamp* says by what the login was proved: it belongs into the token, or behind
        it
    """

    uses_session = False

    def __init__(self, on_login: OnLogin) -> None:
        self._on_login = on_login

    def _asking(self, request: HttpRequest, pending_token: str | None) -> tuple[Login, Any, str]:
        if pending_token is not None:
            login, first_page = _read_pending(pending_token)
            return login, auth.user_of_token(login), first_page
        login_there, user = self._current(request)
        if login_there is None:
            raise LoginRequired
        return login_there, user, ""

    def _current(self, request: HttpRequest) -> tuple[Login | None, Any]:
        login, user = getattr(request, "ferrotp_token_login", (None, None))
        return login, user

    def _complete(self, request: HttpRequest, login: Login, user: Any) -> dict[str, Any]:
        login = auth.bind(login, user, login.backend)
        session = self._on_login(request, user, sign_stamp(login))
        if getattr(request, "ferrotp_token_login", None) is None:
            auth.note_token(request, user)
        return {
            "status": "done",
            "next": None,
            "pending_token": None,
            "expires_at": None,
            "session": None if session is None else dict(session),
        }

    def _hold(self, request: HttpRequest, user: Any, step: LoginStep, backend: str) -> str | None:
        login = auth.bind(step.login, user, backend)
        return signing.dumps({"login": login.dump(), "first_page": step.next_page}, salt=_salt("pending login"))


def sign_stamp(login: Login) -> str:
    """A login that is done, for an application's token."""
    return signing.dumps(replace(login, next="", pending_factor="", remember=None).dump(), salt=_salt("stamp"))


def read_stamp(stamp: object, user: Any) -> Login | None:
    """The login, if it is this user's, and the password is still the same. How long it lives, the token says."""
    login = _load(_read(stamp, "stamp"))
    if login is None or login.stage != "full" or login.user_id != user_id_of(user):
        return None
    return login if auth.is_bound_to(user, login) else None


def route_of(operation: Operation) -> str:
    """The path of an operation, as Django's `path` has it."""
    return operation.path.lstrip("/").replace("{", "<str:").replace("}", ">")


def _with_hint_at_clock(gate: Gate, login: Login, problem: Problem) -> Problem:
    """A wrong code may be that of a device whose clock is off: the user is told so, as on the pages."""
    with suppress(MFAError):  # what the code was is said in any case
        if had_drift(gate.mfa.status(user_id=login.user_id)):
            return replace(problem, message=f"{problem.message} {texts('challenge.clock')}")
    return problem


def _read_pending(token: str) -> tuple[Login, str]:
    data = _read(token, "pending login")
    login = _load(data.get("login"))
    if login is None or login.stage == "full":
        raise HalfLoginEnded
    return login, str(data.get("first_page"))


def _load(record: object) -> Login | None:
    given = conf()
    return Login.load(record, now(), given.policy.half_login_lifetime, issuer=given.issuer, tenant=current_tenant())


def _read(token: object, purpose: str) -> dict[str, Any]:
    if not isinstance(token, str) or not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        return {}
    try:
        data = signing.loads(token, salt=_salt(purpose))
    except (signing.BadSignature, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _salt(purpose: str) -> str:
    # No issuer and no tenant holds a NUL.
    return "\0".join(("ferrotp.django", purpose, "version 1", conf().issuer, current_tenant()))


def _posted(request: HttpRequest, body: Body) -> dict[str, Any]:
    # A form of another site cannot post JSON: browsers ask first.
    if (request.content_type or "").lower() != "application/json":
        raise RequestFault(Problem("not-json", 415, "Send a JSON object, as Content-Type: application/json."))
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError):
        raise RequestFault(Problem("invalid-request", 422, "The body is not JSON."), errors=[]) from None
    if not isinstance(given, dict):
        raise RequestFault(Problem("invalid-request", 422, "The body is not a JSON object."), errors=[])
    faults = body.faults(given)
    if faults:
        raise RequestFault(Problem("invalid-request", 422, "The body is not as documented."), errors=faults)
    return given


def _answer(
    request: HttpRequest,
    body: Mapping[str, Any],
    status: int = 200,
    *,
    user: Any = None,
    device: DeviceToken | None = None,
) -> JsonResponse:
    response = JsonResponse(body, status=status)
    if device is not None:
        auth.set_device_cookie(response, user, device)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
