"""The templates, with what each of them needs."""

from typing import Any

from flask import Flask, Response, after_this_request, current_app, render_template, request
from flask_wtf.csrf import generate_csrf  # type: ignore[import-untyped]
from jinja2 import TemplateNotFound, nodes
from markupsafe import Markup

from ..mfa import MFAError
from ..web import SetupError
from ..web.pages import sign_in_page
from ..web.problems import Problem, problem_of
from .auth import sign_in_session, state


def check_base_template(app: Flask, name: str) -> None:
    """Whether the application's base is there, and has the block that the pages fill: without it they would be empty.

    :raises SetupError: if not
    """
    if name == "ferrotp/base.html":
        return
    environment, blocks, seen, parent = app.jinja_env, set(), set(), name
    while parent and parent not in seen:
        seen.add(parent)
        try:
            source = environment.loader.get_source(environment, parent)[0]  # type: ignore[union-attr]
        except TemplateNotFound:
            raise SetupError(
                f"FERROTP_BASE_TEMPLATE is {name!r}, and there is no template {parent!r}: put it into the folder of"
                " templates, or register the blueprint that has it first."
            ) from None
        tree = environment.parse(source)
        blocks |= {block.name for block in tree.find_all(nodes.Block)}
        extended = [found.template for found in tree.find_all(nodes.Extends)]
        if any(not isinstance(found, nodes.Const) for found in extended):
            return  # by a name that only a request knows
        parent = extended[0].value if extended else ""  # type: ignore[attr-defined]
    if "content" not in blocks:
        raise SetupError(
            f'FERROTP_BASE_TEMPLATE is {name!r}, which has no block "content": put {{% block content %}}'
            "{% endblock %} where a page's contents belong, or name a template that has it."
        )


def render(template: str, problem: Problem | None = None, **values: Any) -> Response:
    """One of the pages.

    :param problem: what is wrong, if anything is: it gives the status
    """
    wait = None if problem is None else problem.retry_after
    html = _html(template, wait=wait, **values)
    response = Response(html, 200 if problem is None else problem.status)
    response.headers["Cache-Control"] = "no-store"
    if problem is not None and problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def sign_in_form(next_url: str | None = None) -> Markup:
    """For the login page, as ``{{ ferrotp_sign_in() }}``: a button to sign in by a passkey alone, and the same in the
    field of the user name. Nothing, where the policy does not have it.

    :param next_url: where to go afterwards, if it is on this site; None takes ``next`` of the request
    """
    gate = state().gate
    passkeys = gate.mfa.policy.passkeys
    if passkeys is None or not passkeys.sign_in:
        return Markup()

    @after_this_request
    def not_kept(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    next_url = request.values.get("next") if next_url is None else next_url
    page = sign_in_page(gate, sign_in_session(), next_url=next_url)
    return Markup(_html("sign_in_form", page=page))  # noqa: S704 — of our own template, which escapes


def _html(template: str, **values: Any) -> str:
    config = current_app.config
    return render_template(
        f"ferrotp/{template}.html",
        t=state().texts,
        csrf=generate_csrf,
        csrf_field=config.get("WTF_CSRF_FIELD_NAME", "csrf_token"),
        ferrotp_base=config["FERROTP_BASE_TEMPLATE"],
        ferrotp_lang=state().texts.language,
        **values,
    )


def unavailable(error: MFAError) -> Response:
    """The page for what the service could not decide."""
    here = state()
    problem = problem_of(error, here.texts, here.gate.now())
    return render("unavailable", problem, error=problem.message)
