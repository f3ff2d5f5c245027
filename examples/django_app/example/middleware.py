"""What sites have beside the login form."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "remember_token"
AGE = 30 * 86_400
Respond = Callable[[HttpRequest], HttpResponse]


def remember(get_response: Respond) -> Respond:
    """A cookie that logs its user in again, as add-ons do it. The second factor is asked for all the same."""

    def respond(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated and COOKIE in request.COOKIES:
            try:
                key = signing.loads(request.COOKIES[COOKIE], salt="remember", max_age=AGE)
                login(request, User.objects.get(pk=key, is_active=True), settings.AUTHENTICATION_BACKENDS[0])
            except (signing.BadSignature, User.DoesNotExist):
                pass
        response = get_response(request)
        if request.path == "/logout":
            response.delete_cookie(COOKIE)
        elif request.user.is_authenticated and request.session.pop("remember", False):
            value = signing.dumps(request.user.pk, salt="remember")
            response.set_cookie(COOKIE, value, max_age=AGE, httponly=True, samesite="Lax")
        return response

    return respond


def strict(get_response: Respond) -> Respond:
    """The strictest policy that the pages and the admin work under."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    return respond
