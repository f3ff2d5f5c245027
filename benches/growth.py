"""What a login costs PostgreSQL when there are a thousand users, and when there are a million; and what it writes.

Two databases of one server, which it starts itself; logins are made in turns, so that whatever else the machine does
meets both. Each user has a factor, three budgets, an epoch and ten recovery codes, so `--users 700000` is ten million
rows. The figures are for `docs/scale.md`. Needs requirements/test.txt: `make bench-growth`.
"""

import argparse
import logging
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from mfa.servers import PostgreSQLServer

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.vault import Keyring

TRIED = 500
"""Users who log in, spread evenly over all of them."""


class Site:
    """An application with so many users."""

    def __init__(self, url: str, users: int, keyring: Keyring) -> None:
        self.now = 1_800_000_000
        self.users = users
        self.url = url.replace("+psycopg", "")
        self.store = SQLStore(url)
        self.mfa = MFA(
            self.store,
            issuer="ACME",
            keyring=keyring,
            policy=Policy.cheap_for_tests(),
            clock=lambda: float(self.now),
        )
        self.otp = TOTP(random_base32())
        self.tried = [f"user {number:07}" for number in range(0, users, max(users // TRIED, 1))]
        for user_id in self.tried:
            self.mfa.import_factor(user_id=user_id, secret=self.otp.secret)
        self.mfa.regenerate_recovery_codes(user_id=self.tried[0])
        with psycopg.connect(self.url, autocommit=True) as connection:
            # The others, as the store would have written them.
            connection.execute(
                "INSERT INTO ferrotp_factor SELECT '', 'user ' || lpad(n::text, 7, '0'), md5(n::text), 'totp', '',"
                " 'active', sample.sealed, false, n, 0, -1, 0, 0 FROM generate_series(0, %s) AS n,"
                " (SELECT sealed FROM ferrotp_factor LIMIT 1) AS sample"
                " WHERE 'user ' || lpad(n::text, 7, '0') NOT IN (SELECT user_id FROM ferrotp_factor)",
                (users - 1,),
            )
            connection.execute(
                "INSERT INTO ferrotp_budget SELECT '', user_id, method, 0, 0, 0 FROM ferrotp_factor,"
                " unnest(ARRAY['otp', 'recovery', 'enrollment']) AS method ON CONFLICT DO NOTHING"
            )
            connection.execute(
                "INSERT INTO ferrotp_user SELECT '', user_id, md5(user_id) FROM ferrotp_factor ON CONFLICT DO NOTHING"
            )
            connection.execute(
                "INSERT INTO ferrotp_recovery_code SELECT '', user_id, 'C' || n, sample.sealed"
                " FROM ferrotp_factor, generate_series(0, 9) AS n,"
                " (SELECT sealed FROM ferrotp_recovery_code LIMIT 1) AS sample"
                " WHERE user_id <> %s",
                (self.tried[0],),
            )
            # Those who log in came first: now they are as far apart as anybody.
            for table in ("ferrotp_factor", "ferrotp_budget"):
                connection.execute(f"CLUSTER {table} USING {table}_pkey")
            connection.execute(f"VACUUM ANALYZE {', '.join(TABLES)}")
            connection.execute("CHECKPOINT")
            count = connection.execute("SELECT count(*) FROM ferrotp_factor").fetchone()
            assert count == (users,), count

    def log_in(self, user_id: str) -> float:
        """Microseconds of one login."""
        code = self.otp.at(self.now)
        begun = time.perf_counter()
        self.mfa.verify(user_id=user_id, code=code)
        return (time.perf_counter() - begun) * 1e6

    def written(self) -> tuple[float, float]:
        """Bytes of the log that a login writes, the first one on its pages since a checkpoint, and the next."""
        found = []
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            for _ in range(2):
                self.now += 60
                before = _answer(connection, "SELECT pg_current_wal_insert_lsn()")
                for user_id in self.tried:
                    self.log_in(user_id)
                bytes_ = _answer(connection, f"SELECT pg_current_wal_insert_lsn() - '{before}'::pg_lsn")
                found.append(float(bytes_) / len(self.tried))
        return found[0], found[1]

    def sizes(self) -> None:
        """Prints what each table takes, and how many of its changes left the index alone. The store is closed: only
        then has the server all counts."""
        time.sleep(1)
        print(f"with {self.users:,} users:")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            for table in TABLES:
                rows, heap, index, width, level = (
                    connection.execute(
                        # The height of a tree stands on its first page, behind the page's header.
                        f"SELECT count(*), pg_relation_size('{table}'), pg_relation_size('{table}_pkey'),"
                        f" avg(pg_column_size(one.*)), get_byte(pg_read_binary_file("
                        f"pg_relation_filepath('{table}_pkey'), 36, 4), 0) FROM {table} AS one"
                    ).fetchone()
                    or (0,) * 5
                )
                changed, hot = connection.execute(
                    "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", (table,)
                ).fetchone() or (0, 0)
                print(
                    f"  {table:22} {rows:12,} rows   {heap / rows:6.0f} bytes a row ({width:.0f} without free space)"
                    f"   index {index / rows:4.0f} bytes, {level + 1} levels   {changed:7,} changes, {hot:7,} HOT"
                )


TABLES = ("ferrotp_factor", "ferrotp_budget", "ferrotp_user", "ferrotp_recovery_code")


def _answer(connection: "psycopg.Connection[Any]", question: str) -> Any:
    return (connection.execute(question).fetchone() or (None,))[0]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="20,000 users instead of a million")
    options.add_argument("--users", type=int, default=1_000_000, help="how many there are in the larger one")
    given = options.parse_args()
    users = 20_000 if given.quick else given.users
    logging.disable()
    server = PostgreSQLServer()
    try:
        keyring = Keyring.generate()
        sites = [Site(server.database(), count, keyring) for count in (1000, users)]
        rounds: list[tuple[float, float]] = []
        rng = random.Random(1)
        for number in range(8):
            times: tuple[list[float], list[float]] = ([], [])
            turns = [rng.sample(site.tried, TRIED) for site in sites]
            for site in sites:
                site.now += 60
            for pair in zip(*turns, strict=True):
                for site, user_id, found in zip(sites, pair, times, strict=True):
                    found.append(site.log_in(user_id))
            if number:  # the first one warms both up
                rounds.append((statistics.median(times[0]), statistics.median(times[1])))
        for few, many in rounds:
            print(f"{few:8.0f} us with 1,000 users   {many:8.0f} us with {users:,}   {many / few:.3f}")
        ratio = statistics.median(many / few for few, many in rounds)
        print(f"ratio of the medians, median of {len(rounds)} rounds: {ratio:.3f}")
        for site in sites:
            first, later = site.written()
            print(
                f"log with {site.users:,} users: {first:.0f} bytes a login, the first on its pages since a checkpoint;"
            )
            print(f"    the next ones {later:.0f}")
            site.mfa.close()
            site.sizes()
        if ratio > 1.2:
            sys.exit("more than 20 % dearer")
    finally:
        server.close()


if __name__ == "__main__":
    main()
