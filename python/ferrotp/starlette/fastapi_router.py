"""The router for FastAPI: the same operations, with models and an OpenAPI document."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .api import Answer, StarletteMFA
from .models import (
    CodesAnswer,
    ConfirmAnswer,
    ConfirmBody,
    EnrollAnswer,
    EnrollBody,
    Factor,
    ForgetAnswer,
    LoginAnswer,
    Problem,
    RecoverAnswer,
    RecoverBody,
    RegenerateBody,
    StatusAnswer,
    VerifyBody,
)
from .problems import HEADERS, ProblemError, invalid
from .starlette_routes import require_json

_PROBLEMS = {
    400: "The code is wrong, used or of another time (`invalid-code`); or the enrollment is not there any more "
    "(`enrollment-expired`).",
    401: "Nobody is logged in (`login-required`), or the pending login has died (`pending-login-expired`).",
    403: "The second factor is missing (`second-factor-required`), must be shown again "
    "(`fresh-authentication-required`), is switched off (`factor-disabled`) or not there (`not-enrolled`).",
    404: "The user has no such factor (`no-such-factor`).",
    409: "It is the last factor, and there has to be one (`last-factor`); or there are too many (`too-many-factors`).",
    415: "The body is not declared as JSON (`not-json`).",
    422: "The request is not as documented (`invalid-request`).",
    429: "Too many wrong codes (`invalid-code`, `too-many-attempts`): `retry_at` says when to try again.",
    500: "A sealed record was changed, or its key is missing (`broken`).",
    503: "The store does not answer (`store-unavailable`). Nothing was accepted.",
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
                return invalid("The request is not as documented.", [_told(one) for one in error.errors()]).response()
            except ProblemError as error:
                return error.response()
            except HTTPException as error:
                if error.status_code == 400 and error.detail == _UNREAD:
                    return invalid("The body is not JSON.").response()
                error.headers = {**HEADERS, **(error.headers or {})}
                raise

        return handler


def _told(error: dict[str, Any]) -> dict[str, str]:
    kind, place = str(error["type"]), [str(one) for one in error["loc"][1:]]
    if kind == "extra_forbidden":
        return {"field": "", "message": "there are fields that are not known"}
    message = {"missing": "is missing"}.get(kind, "is not of the documented form")
    return {"field": ".".join(place) if kind != "json_invalid" else "", "message": message}


def router(api: StarletteMFA, **options: Any) -> APIRouter:
    """Of one application."""
    routes = APIRouter(**{"tags": ["second factor"], "route_class": ProblemRoute, **options})

    @routes.get("/status", response_model=StatusAnswer, responses=problems(401, 403, 500, 503))
    async def status(request: Request) -> Response:
        """What there is of the user who is logged in."""
        return _sent(await api.status(request))

    @routes.post("/verify", response_model=LoginAnswer, responses=problems(400, 401, 403, 415, 422, 429, 500, 503))
    async def verify(request: Request, body: VerifyBody) -> Response:
        """Takes a code of an authenticator app, once. It ends a pending login; or, for whoever is logged in, proves
        again who it is, which changes ask for."""
        return _sent(await api.verify(request, **body.model_dump()))

    @routes.post("/recover", response_model=RecoverAnswer, responses=problems(400, 401, 403, 415, 422, 429, 500, 503))
    async def recover(request: Request, body: RecoverBody) -> Response:
        """The same by a recovery code. It has limits of its own, and works while codes of the app are delayed."""
        return _sent(await api.recover(request, **body.model_dump()))

    @routes.post(
        "/enroll",
        status_code=201,
        response_model=EnrollAnswer,
        responses=problems(400, 401, 403, 409, 415, 422, 500, 503),
    )
    async def enroll(request: Request, body: EnrollBody) -> Response:
        """Makes a new key, which waits for its first code. It asks for a fresh login."""
        return _sent(await api.enroll(request, **body.model_dump()))

    @routes.post("/confirm", response_model=ConfirmAnswer, responses=problems(400, 401, 403, 415, 422, 429, 500, 503))
    async def confirm(request: Request, body: ConfirmBody) -> Response:
        """Makes the new factor active by its first code, which is thereby used up. With the first factor come recovery
        codes."""
        return _sent(await api.confirm(request, **body.model_dump()))

    @routes.post(
        "/recovery-codes",
        status_code=201,
        response_model=CodesAnswer,
        responses=problems(401, 403, 415, 422, 500, 503),
    )
    async def regenerate(request: Request, body: RegenerateBody) -> Response:
        """Makes new recovery codes. The earlier ones end. It asks for a fresh login."""
        return _sent(await api.regenerate(request))

    @routes.delete("/factors/{factor_id}", response_model=Factor, responses=problems(401, 403, 404, 409, 422, 500, 503))
    async def remove(request: Request, factor_id: Annotated[str, Path(max_length=64)]) -> Response:
        """Removes a factor of the user's own. With the last one end the recovery codes. It asks for a fresh login."""
        return _sent(await api.remove(request, factor_id=factor_id))

    @routes.delete("/devices", response_model=ForgetAnswer, responses=problems(401, 403, 500, 503))
    async def forget_devices(request: Request) -> Response:
        """Trusts none of the user's devices any more."""
        return _sent(await api.forget(request))

    @routes.delete("/devices/{device_id}", response_model=ForgetAnswer, responses=problems(401, 403, 422, 500, 503))
    async def forget_device(request: Request, device_id: Annotated[str, Path(max_length=64)]) -> Response:
        """Trusts one of the user's devices no more."""
        return _sent(await api.forget(request, device_id=device_id))

    for route in routes.routes:
        assert isinstance(route, APIRoute)  # noqa: S101 — there are no others
        route.operation_id = route.unique_id = route.name
    return routes


def include(app: Starlette, routes: APIRouter, prefix: str) -> None:
    """Adds the routes. FastAPI's document says of each model that it comes as `application/json`; after this, problems
    come as what they are."""
    assert isinstance(app, FastAPI)  # noqa: S101 — no other has `include_router`
    app.include_router(routes, prefix=prefix)
    inner = app.openapi

    def openapi() -> dict[str, Any]:
        document = inner()
        for path in document["paths"].values():
            for operation in path.values():
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    if "application/problem+json" in content:
                        content.pop("application/json", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _sent(answer: Answer) -> Response:
    return answer.response()
