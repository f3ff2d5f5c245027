"""The API keeps what its own OpenAPI document says: schemathesis asks it, in process."""

from pathlib import Path

import pytest
import schemathesis
from argon2 import PasswordHasher
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring

from ..steps import PASSWORD
from .example import CHEAP, Accounts, example


class World:
    """The example, and two ways to ask it: as nobody, and as somebody who just logged in."""

    def __init__(self, folder: Path, hasher: PasswordHasher = CHEAP) -> None:
        mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
        self.mfa = mfa
        self.accounts = Accounts(folder / "users.db", hasher=hasher)
        self.app: FastAPI = example.create_app(folder, mfa=mfa, accounts=self.accounts)
        self.accounts.add("somebody@example.com", PASSWORD)
        found = self.accounts.check("somebody@example.com", PASSWORD)
        assert found is not None
        self.user_id = found[0]
        api = self.app.state.ferrotp
        self.stamp = api._tokens.sign_stamp(api.gate.begin(*found).login)

    def session(self) -> str:
        """A new one each time: operations end them."""
        return self.accounts.start(self.user_id, self.stamp)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("document"))


# A wrong code, and an address that is none, are as documented and refused all the same; and the session that the test
# puts in is none that schemathesis left out.
NOT_ASKED = [positive_data_acceptance, negative_data_rejection]
FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("somebody", [False, True], ids=["nobody", "somebody"])
def test_what_is_answered_is_what_is_documented(world: World, somebody: bool, mode: GenerationMode) -> None:
    """No 500, no status that is not documented, no body that is not of its model."""
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    schema.app = world.app
    seen: set[tuple[str, int]] = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            cookies = {"session": world.session()} if somebody else {}
            response = case.call_and_validate(cookies=cookies, excluded_checks=NOT_ASKED)
            seen.add((case.path, response.status_code))

        ask()
    assert {path for path, _ in seen} >= {"/mfa/verify", "/mfa/enroll", "/mfa/factors/{factor_id}", "/api/login"}
    wanted = ("/mfa/enroll", 201 if somebody else 401) if mode is GenerationMode.POSITIVE else ("/mfa/verify", 422)
    assert wanted in seen, seen


def test_the_document_says_what_programs_need(world: World) -> None:
    document = world.app.openapi()
    operations = {
        operation["operationId"]: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if path.startswith("/mfa")
    }
    assert set(operations) >= {"enroll", "confirm", "verify", "recover", "status", "remove", "regenerate"}
    for name, operation in operations.items():
        assert operation["description"] and operation["security"], name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
    for status in ("400", "401", "403", "415", "422", "429", "503"):
        assert status in operations["verify"]["responses"], status
    assert "Retry-After" in operations["verify"]["responses"]["429"]["headers"]
    problem = document["components"]["schemas"]["Problem"]["properties"]
    assert {"type", "title", "status", "detail", "attempts_left", "retry_at", "next"} <= set(problem)
    assert "HTTPValidationError" not in document["components"]["schemas"]
