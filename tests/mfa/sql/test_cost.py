"""What a login costs: round trips, commits and syncs. Its time is measured by `make bench-verify`."""

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from programs import needs

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, InvalidCode, Policy
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.vault import Keyring

from ..servers import PostgreSQLServer
from .samples import NOW


class Wire:
    """A socket between the client and the server that counts how often the client speaks and waits for an answer."""

    def __init__(self, directory: Path, server: str) -> None:
        self.flights = 0
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._spoke = "server"
            threading.Thread(target=self._pass, args=(client, server, "client"), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, "server"), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, name: str) -> None:
        while data := source.recv(65536):
            if name == "client" and self._spoke == "server":
                self.flights += 1
            self._spoke = name
            target.sendall(data)


def service(store: Any, **more: Any) -> tuple[MFA, TOTP, list[float]]:
    clock = [NOW / 1000]
    mfa = MFA(
        store,
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=lambda: clock[0],
        **more,
    )
    otp = TOTP(random_base32())
    mfa.import_factor(user_id="ann", secret=otp.secret)
    return mfa, otp, clock


@pytest.mark.parametrize("audit", [False, True])
def test_a_login_takes_two_round_trips_to_postgresql(
    postgresql: PostgreSQLServer, tmp_path_factory: pytest.TempPathFactory, audit: bool
) -> None:
    url = postgresql.database()
    directory = postgresql.directory / f"wire-{audit}"
    directory.mkdir()
    wire = Wire(directory, f"{url.partition('host=')[2]}/.s.PGSQL.5432")
    mfa, otp, clock = service(SQLStore(url.partition("host=")[0] + f"host={directory}"), audit=audit)
    for step in range(10):
        clock[0] += 60
        before = wire.flights
        mfa.verify(user_id="ann", code=otp.at(int(clock[0])))
        # The first time on a connection, either statement is prepared.
        assert wire.flights - before == (2 if step else 4)
    before = wire.flights
    for code in (otp.at(int(clock[0])), "nonsense"):  # used, and wrong
        with pytest.raises(InvalidCode):
            mfa.verify(user_id="ann", code=code)
    assert wire.flights - before == 4
    for flights in (2, 1):  # the first time it is prepared
        before = wire.flights
        assert mfa.attempts(user_id="ann").failures == 2
        assert wire.flights - before == flights
    mfa.close()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_login_takes_one_transaction_on_sqlite(tmp_path: Path, journal: str) -> None:
    store = SQLStore(f"sqlite:///{tmp_path}/mfa.db?journal={journal}")
    mfa, otp, clock = service(store)
    said: list[str] = []
    with store._pool.borrow() as connection:
        connection._connection.set_trace_callback(said.append)  # type: ignore[attr-defined]
    mfa.verify(user_id="ann", code=otp.at(int(clock[0])))
    words = [text.split()[0] for text in said]
    assert words == ["BEGIN", "UPDATE", "SELECT", "UPDATE", "UPDATE", "COMMIT"]
    said.clear()
    with pytest.raises(InvalidCode):
        mfa.verify(user_id="ann", code="nonsense")
    assert [text.split()[0] for text in said] == ["BEGIN", "UPDATE", "SELECT", "COMMIT"]
    mfa.close()


def test_with_an_audit_it_is_one_transaction_too(tmp_path: Path) -> None:
    store = SQLStore(f"sqlite:///{tmp_path}/mfa.db")
    mfa, otp, clock = service(store, audit=True)
    said: list[str] = []
    with store._pool.borrow() as connection:
        connection._connection.set_trace_callback(said.append)  # type: ignore[attr-defined]
    mfa.verify(user_id="ann", code=otp.at(int(clock[0])))
    words = [text.split()[0] for text in said]
    assert words == ["BEGIN", "UPDATE", "SELECT", "UPDATE", "UPDATE", "SELECT", "UPDATE", "INSERT", "COMMIT"]
    mfa.close()


LOGINS = """
import sys
from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, Policy
from ferrotp.vault import Keyring

clock = [1_800_000_000]
policy = Policy.cheap_for_tests()
audit = sys.argv[3] == "True"
keyring = Keyring.generate()
mfa = MFA(sys.argv[1], issuer="ACME", keyring=keyring, policy=policy, clock=lambda: clock[0], audit=audit)
otp = TOTP(random_base32())
mfa.import_factor(user_id="ann", secret=otp.secret)
for _ in range(int(sys.argv[2])):
    clock[0] += 30
    mfa.verify(user_id="ann", code=otp.at(clock[0]))
"""


@needs("strace", "strace")
@pytest.mark.parametrize(
    ("journal", "audit", "most"), [("wal", False, 1.05), ("wal", True, 1.05), ("delete", False, 5), ("delete", True, 5)]
)
def test_a_login_on_sqlite_waits_for_so_many_syncs(tmp_path: Path, journal: str, audit: bool, most: float) -> None:
    """Of the write-ahead log one, and of its checkpoint two in hundreds of logins; with a rollback journal its own, the
    file's and the folder's."""
    logins = 600 if journal == "wal" else 40

    def syncs(count: int) -> int:
        url, log = f"sqlite:///{tmp_path}/{count}.db?journal={journal}", tmp_path / f"{count}.trace"
        trace = ["strace", "-f", "-o", str(log), "-e", "trace=fsync,fdatasync"]
        subprocess.run([*trace, sys.executable, "-c", LOGINS, url, str(count), str(audit)], check=True)
        return len(re.findall(r"^\d+ +f(?:data)?sync\(", log.read_text(), re.MULTILINE))

    without = syncs(0)
    assert 1 <= (syncs(logins) - without) / logins <= most
