"""The templates, with what each of them needs."""

from typing import Any

from flask import Response, current_app, render_template
from flask_wtf.csrf import generate_csrf  # type: ignore[import-untyped]

from ..mfa import MFAError
from ..web.problems import Problem, problem_of
from .auth import state


def render(template: str, problem: Problem | None = None, **values: Any) -> Response:
    """One of the pages.

    :param problem: what is wrong, if anything is: it gives the status
    """
    config = current_app.config
    html = render_template(
        f"ferrotp/{template}.html",
        t=state().texts,
        csrf=generate_csrf,
        csrf_field=config.get("WTF_CSRF_FIELD_NAME", "csrf_token"),
        ferrotp_base=config["FERROTP_BASE_TEMPLATE"],
        ferrotp_lang=config["FERROTP_LANG"],
        **values,
    )
    response = Response(html, 200 if problem is None else problem.status)
    response.headers["Cache-Control"] = "no-store"
    if problem is not None and problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def unavailable(error: MFAError) -> Response:
    """The page for what the service could not decide."""
    here = state()
    problem = problem_of(error, here.texts, here.gate.now())
    return render("unavailable", problem, error=problem.message)
