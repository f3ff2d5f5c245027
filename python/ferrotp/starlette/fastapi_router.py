"""The router for FastAPI: the same operations, with models and an OpenAPI document."""

import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..web.api_fields import OPERATIONS, Operation
from .models import (
    BODIES,
    ActivityAnswer,
    CancelAnswer,
    CodesAnswer,
    ConfirmAnswer,
    EnrollAnswer,
    ForgetAnswer,
    LoginAnswer,
    NewPasskeyAnswer,
    PasskeyOptionsAnswer,
    Problem,
    RecoverAnswer,
    RemoveAnswer,
    SignInOptionsAnswer,
    StatusAnswer,
)
from .operations import Operations
from .problems import HEADERS, ProblemError, invalid_request, require_json

_ANSWERS = {
    "status": StatusAnswer,
    "verify": LoginAnswer,
    "unlock": LoginAnswer,
    "recover": RecoverAnswer,
    "cancel": CancelAnswer,
    "enroll": EnrollAnswer,
    "confirm": ConfirmAnswer,
    "regenerate": CodesAnswer,
    "remove": RemoveAnswer,
    "end_sessions": LoginAnswer,
    "forget_devices": ForgetAnswer,
    "forget_device": ForgetAnswer,
    "activity": ActivityAnswer,
    "passkey_challenge": PasskeyOptionsAnswer,
    "verify_passkey": LoginAnswer,
    "begin_passkey": PasskeyOptionsAnswer,
    "finish_passkey": NewPasskeyAnswer,
    "sign_in_challenge": SignInOptionsAnswer,
    "sign_in": LoginAnswer,
}
_PROBLEMS = {
    400: "The code is wrong, used or of another time (`invalid-code`); or the enrollment is not there any more "
    "(`enrollment-expired`). Or the passkey was refused (`passkey-refused`): `reason` says why.",
    401: "Nobody is logged in (`login-required`), or the pending login has died (`pending-login-expired`).",
    403: "The second factor is missing (`second-factor-required`), must be shown again "
    "(`fresh-authentication-required`), is switched off (`factor-disabled`) or not there (`not-enrolled`); or codes "
    "are not accepted (`codes-not-accepted`).",
    404: "The user has no such factor (`no-such-factor`).",
    409: "It is the last factor, and there has to be one (`last-factor`); or there are too many (`too-many-factors`).",
    415: "The body is not declared as JSON (`not-json`).",
    422: "The request is not as documented (`invalid-request`).",
    429: "Too many wrong codes (`invalid-code`, `too-many-attempts`): `retry_at` says when to try again.",
    500: "A sealed record was changed, or its key is missing (`broken`).",
    503: "The store does not answer (`store-unavailable`). Nothing was accepted.",
}
_BY_PENDING_TOKEN = {
    operation.name for operation in OPERATIONS if operation.body and "pending_token" in operation.body.fields
}
_UNREAD = "There was an error parsing the body"
"""What FastAPI says of JSON that is no text, or too deep."""
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses` of a route: what may be answered instead."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _PROBLEMS[status],
            "model": Problem,
            "content": {"application/problem+json": {"schema": schema}},
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }


class ProblemRoute(APIRoute):
    """Answers with problems, and never with what was sent: FastAPI's own answer to a request that is not as documented
    repeats it, codes and all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, within ours."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                if request.method == "POST":
                    require_json(request)
                return await inner(request)
            except RequestValidationError as error:
                faults = [_fault(found) for found in error.errors()]
                return invalid_request("The request is not as documented.", faults).response()
            except ProblemError as error:
                return error.response()
            except HTTPException as error:
                if error.status_code == 400 and error.detail == _UNREAD:
                    return invalid_request("The body is not JSON.").response()
                error.headers = {**HEADERS, **(error.headers or {})}
                raise

        return handler


def _fault(error: dict[str, Any]) -> dict[str, str]:
    """What pydantic found, without what was sent."""
    kind, field = str(error["type"]), ".".join(str(part) for part in error["loc"][1:])
    if kind == "extra_forbidden":
        return {"field": "", "message": "there are fields that are not known"}
    message = {"missing": "is missing"}.get(kind, "is not of the documented form")
    return {"field": field if kind != "json_invalid" else "", "message": message}


def router(operations: Operations, **options: Any) -> APIRouter:
    """Of one application."""
    routes = APIRouter(**{"tags": ["second factor"], "route_class": ProblemRoute, **options})
    for operation in operations.offered():
        routes.add_api_route(
            operation.path,
            _endpoint(operations, operation),
            methods=[operation.method],
            name=operation.name,
            operation_id=operation.name,
            description=operation.description,
            status_code=operation.status,
            response_model=_ANSWERS[operation.name],
            responses=problems(*operation.problems),
        )
    for route in routes.routes:
        assert isinstance(route, APIRoute)  # noqa: S101 — there are no others
        route.unique_id = route.name
    return routes


def _endpoint(operations: Operations, operation: Operation) -> Callable[..., Coroutine[Any, Any, Response]]:
    run = getattr(operations, operation.name)

    async def endpoint(request: Request, body: Any = None, **path: str) -> Response:
        posted = {} if body is None else body.model_dump()
        return (await run(request, **posted, **path)).response()  # type: ignore[no-any-return]

    # FastAPI reads from the signature what it has to look at.
    annotations: dict[str, Any] = {"request": Request}
    if operation.parameter:
        annotations[operation.parameter] = Annotated[str, Path(max_length=64)]
    if operation.name in BODIES:
        annotations["body"] = BODIES[operation.name]
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
            for name, annotation in annotations.items()
        ]
    )
    endpoint.__name__ = operation.name
    return endpoint


def include(app: Starlette, routes: APIRouter, prefix: str) -> None:
    """Adds the routes. FastAPI's document says of each model that it comes as `application/json`; after this, problems
    come as what they are. It also says that each operation wants the application's session or token: those that a
    pending token opens do without."""
    assert isinstance(app, FastAPI)  # noqa: S101 — no other has `include_router`
    app.include_router(routes, prefix=prefix)
    inner = app.openapi

    def openapi() -> dict[str, Any]:
        document = inner()
        for name, path in document["paths"].items():
            for operation in path.values():
                if name.startswith(prefix) and operation["operationId"] in _BY_PENDING_TOKEN:
                    security = operation.get("security", [])
                    if security and {} not in security:
                        security.append({})
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    if "application/problem+json" in content:
                        content.pop("application/json", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
