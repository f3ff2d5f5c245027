"""django-otp: TOTP and HOTP devices, and static tokens as recovery codes."""

from binascii import unhexlify
from dataclasses import dataclass, field
from typing import ClassVar

from sqlalchemy import select

from ..foreign_users import ImportedFactor
from .database import Accounts, Database, Query, beginning_of, undecoded
from .source_user import Moment, Row, SourceUser, factor_id

CLOCK_TROUBLE = 1000
"""Time steps that a last use may be ahead of now, for servers whose clock was: a bound of sense, so no policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DjangoOTP:
    """The tables of django-otp. Only confirmed devices are taken over, with the last step that each was used at."""

    name: ClassVar[str] = "django-otp"
    needs_proof: ClassVar[bool] = False
    accounts: Accounts = field(default_factory=Accounts)
    recovery_codes: bool = True

    def queries(self, database: Database) -> dict[str, Query]:
        """The tables that there are: TOTP has to be among them."""
        common = {"key": "id", "confirmed": "confirmed"}
        totp = {"step": "step", "t0": "t0", "digits": "digits", "drift": "drift", "last": "last_t"}
        texts = {"secret": "key", "label": "name"}
        queries = {"totp": database.rows("otp_totp_totpdevice", "user_id", texts, common | totp, self.accounts)}
        if database.has("otp_hotp_hotpdevice"):
            hotp = {"digits": "digits", "counter": "counter"}
            queries["hotp"] = database.rows("otp_hotp_hotpdevice", "user_id", texts, common | hotp, self.accounts)
        if database.has("otp_static_statictoken"):
            queries["static"] = self._tokens(database)
        if database.has("otp_email_emaildevice"):
            queries["email"] = database.rows("otp_email_emaildevice", "user_id", {}, {"key": "id"}, self.accounts)
        return queries

    def _tokens(self, database: Database) -> Query:
        device, token = "otp_static_staticdevice", "otp_static_statictoken"
        joined = database.table(token).join(
            database.table(device), database.column(device, "id") == database.column(token, "device_id")
        )
        fields = [
            beginning_of(database.column(token, "token")).label("token"),
            undecoded(database.column(token, "id")).label("key"),
            undecoded(database.column(device, "confirmed")).label("confirmed"),
        ]
        return database.with_owner(select(*fields), joined, database.column(device, "user_id"), self.accounts)

    def read(self, user: SourceUser, rows: dict[str, list[Row]], moment: Moment) -> None:
        """Puts into `user` what the rows of one user hold."""
        for row in rows["totp"]:
            self._totp(user, row, moment)
        for row in rows.get("hotp", ()):
            self._hotp(user, row)
        for row in rows.get("email", ()):
            user.skip(f"e-mail device {row['key']}", "a code by e-mail is no authenticator app")
        if self.recovery_codes:
            static = [row["token"] for row in rows.get("static", ()) if row["confirmed"]]
            user.recovery_codes += [token for token in static if isinstance(token, str) and token]

    def _totp(self, user: SourceUser, row: Row, moment: Moment) -> None:
        what = f"TOTP device {row['key']}"
        secret = self._secret(user, what, row)
        numbers = [row[name] for name in ("step", "t0", "digits", "drift", "last")]
        if secret is None:
            return
        if not all(type(number) is int for number in numbers):
            user.skip(what, "a number of the row is none")
            return
        step, t0, digits, drift, last = numbers
        if t0 != 0:
            user.skip(what, "its time steps do not count from 1970 (t0), as those of apps do")
        elif not 1 <= step <= 300 or not 6 <= digits <= 8:
            user.skip(what, "a code has 6 to 8 digits, a period 1 to 300 seconds")
        elif not -1 <= last <= moment.step(step) + CLOCK_TROUBLE:
            user.skip(what, "its last time step is in the future")
        else:
            if abs(drift) > moment.window:
                user.flag(what, "its clock is off: its codes are refused until it is set")
            user.factors.append(
                ImportedFactor(
                    secret=secret,
                    digits=digits,
                    period=step,
                    last_step=last,
                    name=label(row),
                    factor_id=factor_id("django-otp totp", row["key"], user.user_id),
                )
            )

    def _hotp(self, user: SourceUser, row: Row) -> None:
        what = f"HOTP device {row['key']}"
        secret = self._secret(user, what, row)
        digits, counter = row["digits"], row["counter"]
        if secret is None:
            return
        if type(digits) is not int or type(counter) is not int or not 6 <= digits <= 8 or not 0 <= counter < 1 << 62:
            user.skip(what, "a code has 6 to 8 digits, a counter is not negative")
            return
        user.factors.append(
            ImportedFactor(
                secret=secret,
                kind="hotp",
                digits=digits,
                last_step=counter - 1,
                name=label(row),
                factor_id=factor_id("django-otp hotp", row["key"], user.user_id),
            )
        )

    def _secret(self, user: SourceUser, what: str, row: Row) -> bytes | None:
        if not row["confirmed"]:
            user.skip(what, "it was never confirmed")
            return None
        try:
            return unhexlify(row["secret"])
        except (TypeError, ValueError):
            user.skip(what, "its key is not hexadecimal")
            return None


def label(row: Row) -> str:
    """The device's name, if it is one."""
    text = row["label"]
    return text.strip() if isinstance(text, str) and len(text) < 256 and text.strip().isprintable() else ""
