"""Django REST framework: tokens that are given after the second factor alone, and permissions that ask for one.

A token carries the *stamp* of the login that it was made by: behind it (``key.stamp``), or in a JSON Web Token as a
claim. It says by what the login was proved, and ends with it.
"""

from contextlib import suppress
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import SessionAuthentication  # type: ignore[import-untyped,import-not-found,unused-ignore]
from rest_framework.authtoken.serializers import AuthTokenSerializer  # type: ignore[import-untyped,import-not-found,unused-ignore]
from rest_framework.exceptions import APIException  # type: ignore[import-untyped,import-not-found,unused-ignore]
from rest_framework.permissions import BasePermission  # type: ignore[import-untyped,import-not-found,unused-ignore]
from rest_framework.views import APIView  # type: ignore[import-untyped,import-not-found,unused-ignore]
from rest_framework.views import exception_handler as handler_of_drf  # type: ignore[import-untyped,import-not-found,unused-ignore]

from ferrotp.mfa import MFAError
from ferrotp.web import LoginRequired, SecondFactorRequired, StepError
from ferrotp.web.api_fields import Operation
from ferrotp.web.problems import MEDIA_TYPE, Problem

from . import auth
from .api import TokenAPI, read_stamp, route_of
from .service import gate_for, user_id_of
from .views import non_atomic

CLAIM = "ferrotp"
"""Where a JSON Web Token has the stamp."""


class ProblemException(APIException):  # type: ignore[misc]
    """A problem (RFC 9457), to be raised in a view of REST framework's: its `detail` is the document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.status_code = problem.status
        self.detail: Any = problem.document()
        self.wait = problem.retry_after
        self.auth_header = problem.headers().get("WWW-Authenticate")


def exception_handler(error: Exception, context: dict[str, Any]) -> Any:
    """For ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``: what the service raises in a view is a problem, with its media type
    and `retry_at`. All else is as REST framework has it."""
    if isinstance(error, (MFAError, StepError)):
        error = ProblemException(auth.problem_of(context["request"]._request, error))
    response = handler_of_drf(error, context)
    if response is not None and isinstance(error, ProblemException):
        response.content_type = MEDIA_TYPE
        response["Cache-Control"] = "private, no-store"
    return response


# Who asks


class SecondFactorMixin:
    """Before an authentication class of tokens (REST framework's, knox's, simplejwt's): a token is as good as the login
    that it was made by. One without a stamp is as good as a password."""

    _stamp: str | None = None

    @sensitive_variables()
    def authenticate(self, request: Any) -> Any:
        self._stamp = None
        found = super().authenticate(request)  # type: ignore[misc]
        if found is None:
            return None
        user, token = found
        stamp = self._stamp if self._stamp is not None else getattr(token, "payload", {}).get(CLAIM)
        gate = gate_for(user)
        try:
            login = read_stamp(stamp, user) if stamp else None
            if login is None:
                step = gate.adopt(user_id_of(user), user.get_username())
                if step.next_page != "done":
                    raise LoginRequired
                login = step.login
            gate.require_login(login)
        except (MFAError, StepError) as error:
            raise ProblemException(auth.problem_of(request._request, error)) from None
        request._request.ferrotp_token_login = login, user
        return found

    def authenticate_credentials(self, key: Any) -> Any:
        """Takes the stamp off, which REST framework's and knox's tables know nothing of."""
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        bare, _, self._stamp = text.partition(".")
        return super().authenticate_credentials(bare.encode("latin-1") if isinstance(key, bytes) else bare)  # type: ignore[misc]


class HasSecondFactor(BasePermission):  # type: ignore[misc]
    """For users who have passed the second factor, in this session or in the login that the token was made by."""

    requirement = "require_mfa"

    def has_permission(self, request: Any, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        authenticator = request.successful_authenticator
        login = None
        if isinstance(authenticator, SecondFactorMixin):
            login, _ = request._request.ferrotp_token_login
        elif isinstance(authenticator, SessionAuthentication):
            login = auth.load(request._request)
        try:
            if login is None:  # by a way that says nothing of a second factor
                raise SecondFactorRequired("challenge")
            getattr(gate_for(request.user), self.requirement)(login)
        except (MFAError, StepError) as error:
            raise ProblemException(auth.problem_of(request._request, error)) from None
        return True


class HasFreshSecondFactor(HasSecondFactor):
    """The same, within the last ``FRESH_SECONDS``."""

    requirement = "require_fresh_mfa"


# Tokens


class _View(APIView):  # type: ignore[misc]
    """A view of the API. The gate says who may do what, and not the permissions."""

    permission_classes: Any = ()

    def get_exception_handler(self) -> Any:
        return exception_handler


class LoginView(_View):
    """Takes name and password: the login is done, or names the operation that leads on."""

    authentication_classes: Any = ()
    serializer_class = AuthTokenSerializer
    api: Any = None

    @sensitive_variables()
    def post(self, request: Any, **more: Any) -> HttpResponse:
        """Name and password."""
        serializer = AuthTokenSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        answer: HttpResponse = self.api.begin_login(request._request, serializer.validated_data["user"])
        return answer


class OperationView(_View):
    """One of the operations of `ferrotp.web.api_fields`."""

    api: Any = None
    operation: Any = None

    def _answer(self, request: Any, **parameters: str) -> HttpResponse:
        answer: HttpResponse = self.api.answer(request._request, self.operation, parameters)
        return answer


def urls(api: TokenAPI, *, login: bool = True, authentication_classes: Any = None) -> list[URLPattern]:
    """The routes of an API that gives tokens: ``path("auth/", include(urls(api)))``.

    :param login: whether there is a route ``login`` that takes name and password
    :param authentication_classes: those of the operations, with `SecondFactorMixin`; None: REST framework's default
    """
    patterns = [path("login", _page(LoginView, api=api), name="login")] if login else []
    for operation in api.operations:
        class_ = _view_class(operation)
        more = {} if authentication_classes is None else {"authentication_classes": authentication_classes}
        view = _page(class_, api=api, operation=operation, **more)
        patterns.append(path(route_of(operation), view, name=operation.name))
    return patterns


def _view_class(operation: Operation) -> Any:
    """A class for an operation, with the words for its document."""
    method = operation.method.lower()

    def answer(self: OperationView, request: Any, **parameters: str) -> HttpResponse:
        return self._answer(request, **parameters)

    answer.__name__, answer.__doc__ = method, operation.description
    with suppress(ImportError):  # drf-spectacular is not there
        from .drf_schema import described

        answer = described(operation)(answer)
    name = f"{operation.name.title().replace('_', '')}View"
    return type(name, (OperationView,), {method: answer, "__doc__": operation.description})


def _page(class_: Any, **initial: Any) -> Any:
    view = class_.as_view(**initial)
    view.ferrotp_page = view.ferrotp_api = True  # the middleware lets it through
    view.login_required = False
    return non_atomic(view)
