"""The language of `detail`: one for all, or the request's."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request

from ferrotp.web import Texts

from ..languages import write
from .test_router import World, _apart


def wrong(world: World, path: str = "/mfa/verify") -> str:
    token = world.enrolled()[0]
    status, problem = world.ask("POST", path, {"code": "000000"}, token)
    assert status == 400
    return str(problem["detail"])


@pytest.mark.parametrize("kind", [Starlette, FastAPI])
def test_detail_is_in_the_language_of_the_request(kind: type[Starlette]) -> None:
    async def language(request: Request) -> str:
        return request.query_params.get("wants", "en")

    for wanted, shown in (("de-AT,en;q=0.5", "de"), ("cs", "en"), ("cs,ja;q=0.1", "ja")):
        world = World(kind, language=language)
        assert wrong(world, f"/mfa/verify?wants={wanted.replace(';', '%3B')}") == Texts(language=shown)("error.code")


def test_detail_is_in_one_language_for_all_with_the_applications_own_words(tmp_path: Path) -> None:
    folder = write(tmp_path, "it", lambda message: ("No.",) if message.context == "error.code" else None)
    assert wrong(World(language="it", translations=[folder])) == "No."
    assert wrong(World(language="it")) == Texts(language="it")("error.code")
    assert wrong(World()) == Texts()("error.code")


def test_requests_that_are_answered_at_once_keep_their_languages_apart() -> None:
    async def language(request: Request) -> str:
        await anyio.sleep(0.01)
        return request.query_params["wants"]

    world = World(language=language)
    found: dict[str, Any] = {}

    async def ask(wanted: str) -> None:
        headers = {"content-type": "application/json"}
        body = json.dumps({"code": "1", "pending_token": "none"}).encode()
        found[wanted] = (await world._ask("POST", f"/mfa/verify?wants={wanted}", body, headers))[2]["detail"]

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for wanted in ("de", "uk", "fr", "cs"):
                group.start_soon(ask, wanted)

    _apart.submit(anyio.run, all_at_once).result()
    assert found == {wanted: Texts(language=wanted)("error.gone") for wanted in ("de", "uk", "fr", "cs")}
