"""The routes for Starlette. What is posted is looked at here by hand, and under FastAPI by `models`: to one effect."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .api import Answer, StarletteMFA, a_hex_id
from .problems import ProblemError, invalid, not_json
from .tokens import LONGEST

CODE_LENGTH, NAME_LENGTH = 200, 200
"""Characters that are looked at."""

Check = Callable[[object], str]
"""What is wrong with a value, or ""."""


def text(longest: int, shape: Callable[[str], bool] = lambda one: True) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or not shape(value):
            return "must be a string of the documented form"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "must be text"
        return f"must have at most {longest} characters" if len(value) > longest else ""

    return check


def flag(value: object) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def token(value: object) -> str:
    return "" if value is None else text(LONGEST)(value)


FIELDS: Mapping[str, tuple[Mapping[str, Check], frozenset[str]]] = {
    "verify": ({"code": text(CODE_LENGTH), "pending_token": token, "trust_device": flag}, frozenset({"code"})),
    "recover": ({"code": text(CODE_LENGTH), "pending_token": token}, frozenset({"code"})),
    "enroll": ({"name": text(NAME_LENGTH), "pending_token": token}, frozenset()),
    "confirm": (
        {"factor_id": text(32, a_hex_id), "code": text(CODE_LENGTH), "pending_token": token},
        frozenset({"code", "factor_id"}),
    ),
    "regenerate": ({}, frozenset()),
}
"""Of each operation that takes a body: its fields, and which there must be."""


def routes(api: StarletteMFA) -> list[Route]:
    """Of one application."""

    def posted(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            operation = getattr(api, name)
            return await _answered(lambda body: operation(request, **body), request, name)

        endpoint.__name__ = name
        return endpoint

    async def status(request: Request) -> Response:
        return await _answered(lambda _: api.status(request))

    async def remove(request: Request) -> Response:
        return await _answered(lambda _: api.remove(request, factor_id=request.path_params["factor_id"]))

    async def forget(request: Request) -> Response:
        return await _answered(lambda _: api.forget(request, device_id=request.path_params.get("device_id")))

    return [
        Route("/status", status),
        *(Route(f"/{name}", posted(name), methods=["POST"]) for name in ("verify", "recover", "enroll", "confirm")),
        Route("/recovery-codes", posted("regenerate"), methods=["POST"]),
        Route("/factors/{factor_id}", remove, methods=["DELETE"]),
        Route("/devices", forget, methods=["DELETE"]),
        Route("/devices/{device_id}", forget, methods=["DELETE"]),
    ]


async def _answered(
    operation: Callable[[dict[str, Any]], Awaitable[Answer]], request: Request | None = None, name: str = ""
) -> Response:
    try:
        return (await operation(await _body(request, name) if request else {})).response()
    except ProblemError as error:
        return error.response()


async def _body(request: Request, name: str) -> dict[str, Any]:
    require_json(request)
    fields, needed = FIELDS[name]
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    # Names that nobody knows are not repeated: somebody may have sent a code as one.
    errors = [] if body.keys() <= fields.keys() else [{"field": "", "message": "there are fields that are not known"}]
    for field in sorted(needed - body.keys()):
        errors.append({"field": field, "message": "is missing"})
    for field, check in fields.items():
        message = check(body[field]) if field in body else ""
        if message:
            errors.append({"field": field, "message": message})
    if errors:
        raise invalid("The body is not as documented.", errors)
    return body


def require_json(request: Request) -> None:
    """A form of another site cannot post JSON: browsers ask first (CORS), and nobody says yes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise not_json()
