"""``{% load ferrotp %}``: the pages' words, by message id."""

from typing import Any

from django import template
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest

from ferrotp.django.auth import sign_in_session
from ferrotp.django.service import gate_for_anybody, is_sign_in_offered
from ferrotp.django.texts import texts
from ferrotp.web.pages import sign_in_page

register = template.Library()


@register.simple_tag(name="t")
def text(message_id: str, **values: object) -> str:
    """``{% t "challenge.trust" count=30 %}``"""
    return texts(message_id, **values)


@register.inclusion_tag("ferrotp/sign_in_form.html", takes_context=True)
def ferrotp_sign_in(context: Any, next_url: str | None = None) -> dict[str, Any]:
    """For the login page, as ``{% ferrotp_sign_in %}``: a button to sign in by a passkey alone, and the same in the
    field of the user name. Nothing, where the policy does not have it.

    :param next_url: where to go afterwards, if it is on this site; None takes ``next`` of the request
    """
    if not is_sign_in_offered():
        return {"page": None}
    request: HttpRequest = context["request"]
    if next_url is None:
        next_url = request.POST.get(REDIRECT_FIELD_NAME, request.GET.get(REDIRECT_FIELD_NAME, ""))
    page = sign_in_page(gate_for_anybody(), sign_in_session(request), next_url=next_url)
    return {
        "page": page,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "ferrotp_lang": texts.language,
    }
