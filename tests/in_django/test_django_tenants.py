"""django-tenants, with a schema of PostgreSQL for each customer.

Before, with the store in TENANT_APPS every login was a 500, since the store's own connections did not follow the
schema; and in SHARED_APPS user 1 of one customer passed with the phone of user 1 of another.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import warm
from mfa.servers import PostgreSQLServer

from .databases import database_on

SITE = Path(__file__).parent / "tenants_site.py"


def run(postgresql: PostgreSQLServer, layout: str, *more: str) -> dict[str, Any]:
    database = database_on(postgresql)
    done = warm.django().run(warm.script(SITE), layout, database["NAME"], database["HOST"], *more, name=str(SITE))
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("layout", "more"), [("shared", ["callable"]), ("tenant", []), ("tenant", ["callable"]), ("both", [])]
)
def test_customers_stay_apart_in_either_layout(postgresql: PostgreSQLServer, layout: str, more: list[str]) -> None:
    assert run(postgresql, layout, *more) == {
        "checks": [],
        "acme with the other's phone": 400,
        "acme with its own": 303,
        "acme inside": "inside acme",
        "acme's session at globex": 302,
        "globex with the other's phone": 400,
        "globex with its own": 303,
        "globex inside": "inside globex",
        "globex's session at acme": 302,
        "delayed": 429,
        "unlocked": 303,
        "the other customer's budget": 303,
        "after the user is gone": [False, True],
        "acme's audit": [1, []],
        "globex's audit": [2, []],
    }


@pytest.mark.parametrize(
    ("layout", "more", "fault"),
    [
        ("shared", [], "ferrotp.E012"),
        ("users shared", [], "ferrotp.E013"),
        ("users shared", ["callable"], "ferrotp.E013"),
    ],
)
def test_a_layout_that_mixes_customers_up_is_refused(
    postgresql: PostgreSQLServer, layout: str, more: list[str], fault: str
) -> None:
    assert fault in run(postgresql, layout, "check only", *more)["checks"]
