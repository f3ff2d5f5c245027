"""The routes for Starlette."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..web.api_fields import Body, Operation
from .operations import Operations
from .problems import ProblemError, invalid_request, require_json


def routes(operations: Operations) -> list[Route]:
    """Of one application."""
    return [
        Route(operation.path, _endpoint(operations, operation), methods=[operation.method], name=operation.name)
        for operation in operations.offered()
    ]


def _endpoint(operations: Operations, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    run = getattr(operations, operation.name)

    async def endpoint(request: Request) -> Response:
        try:
            body = {} if operation.body is None else await _posted(request, operation.body)
            return (await run(request, **body, **request.path_params)).response()  # type: ignore[no-any-return]
        except ProblemError as error:
            return error.response()

    return endpoint


async def _posted(request: Request, body: Body) -> dict[str, Any]:
    require_json(request)
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise invalid_request("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise invalid_request("The body is not a JSON object.")
    faults = body.faults(given)
    if faults:
        raise invalid_request("The body is not as documented.", faults)
    return given
