"""``manage.py ferrotp_report``: who has no factor, who has a legacy secret, whose clock drifts."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from ferrotp.django.service import due_date, get_mfa, is_required, user_id_of, with_groups
from ferrotp.mfa import FactorInfo, MFAError


class Command(BaseCommand):
    """Reports on the users."""

    help = "Lists active users without a factor, with a legacy or disabled one, and those whose device's clock is off."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *arguments: Any, **options: Any) -> None:
        mfa = get_mfa()
        try:
            factors = list(mfa.factors())
            report = mfa.report()
        except MFAError as error:
            raise CommandError(str(error)) from None
        model = get_user_model()
        bound = {factor.user_id for factor in factors}
        # All rows: a user whom the site's manager hides logs in, too.
        users = list(with_groups(model._base_manager.filter(is_active=True).order_by("pk")))
        names = {user_id_of(user): user.get_username() for user in users}
        found: dict[str, Any] = {
            "users": len(users),
            "factors": report.factors,
            "without": [
                {"user": user.get_username(), "required": is_required(user), "due": _day(due_date(user))}
                for user in users
                if user_id_of(user) not in bound
            ],
            "legacy": self._named(names, (factor for factor in factors if factor.legacy)),
            "disabled": self._named(names, (factor for factor in factors if factor.state == "disabled")),
            "drift": [
                {"user": names.get(factor.user_id, factor.user_id), "device": factor.name, "steps": factor.drift}
                for factor in factors
                if factor.kind == "totp" and factor.drift
            ],
            "median_drift": report.median_drift,
            "clock_suspect": report.clock_suspect,
        }
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            self._tell(found)

    @staticmethod
    def _named(names: dict[str, str], factors: Iterable[FactorInfo]) -> list[str]:
        return list(dict.fromkeys(names.get(factor.user_id, factor.user_id) for factor in factors))

    def _tell(self, found: dict[str, Any]) -> None:
        write = self.stdout.write
        write(f"{found['users']} active users, {found['factors']} factors")
        write(f"\nWithout a factor: {len(found['without'])}")
        for user in found["without"]:
            due = f"  must have one from {user['due']} on" if user["due"] else ""
            write(f"  {user['user']}{'  must have one' if user['required'] else due}")
        for title, key in (("With a legacy secret, to enroll again", "legacy"), ("With a disabled factor", "disabled")):
            write(f"\n{title}: {len(found[key])}")
            for name in found[key]:
                write(f"  {name}")
        write(f"\nWhose clock is off: {len(found['drift'])}")
        for device in found["drift"]:
            write(f"  {device['user']}  {device['device'] or 'unnamed'}  {device['steps']:+d} time steps")
        if found["clock_suspect"]:
            text = f"\nMost devices are off to the same side ({found['median_drift']:+g}): it is this server's clock."
            write(self.style.ERROR(text))


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
