"""What a login costs PostgreSQL when there are a thousand users, and when there are a million.

Two databases of one server, which it starts itself; logins are made in turns, so that whatever else the machine does
meets both. Needs requirements/test.txt: `make bench-growth`.
"""

import argparse
import logging
import random
import statistics
import sys
import time
from pathlib import Path

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
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
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
            connection.execute("VACUUM ANALYZE ferrotp_factor, ferrotp_budget")
            connection.execute("CHECKPOINT")
            count = connection.execute("SELECT count(*) FROM ferrotp_factor").fetchone()
            assert count == (users,), count

    def log_in(self, user_id: str) -> float:
        """Microseconds of one login."""
        code = self.otp.at(self.now)
        begun = time.perf_counter()
        self.mfa.verify(user_id=user_id, code=code)
        return (time.perf_counter() - begun) * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="20,000 users instead of a million")
    users = 20_000 if options.parse_args().quick else 1_000_000
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
            site.mfa.close()
        if ratio > 1.2:
            sys.exit("more than 20 % dearer")
    finally:
        server.close()


if __name__ == "__main__":
    main()
