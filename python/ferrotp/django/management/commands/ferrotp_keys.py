"""``manage.py ferrotp_keys``: the keys that secrets are sealed with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ferrotp.django.conf import keyring
from ferrotp.django.service import get_mfa
from ferrotp.mfa import MFAError
from ferrotp.vault import VaultError, new_key


class Command(BaseCommand):
    """Makes keys, and says which are in use."""

    help = "Lists the keys of the keyring with the records that each seals; or makes a new key."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own way. It runs where there is no key yet

    def add_arguments(self, parser: Any) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--new", action="store_true", help="print a new key, and do nothing else")
        choice.add_argument("--retire", metavar="ID", help="say whether no record needs this key any more")

    def handle(self, *arguments: Any, **options: Any) -> None:
        if options["new"]:
            self.stdout.write(new_key())
            self.stderr.write(
                "Put it last in FERROTP_KEYS and deploy it: it only opens. When every process has it, put it first, and"
                " run ferrotp_rotate."
            )
            return
        try:
            keys = keyring()
        except (VaultError, MFAError) as error:
            raise CommandError(f"{error}. Make a key with: manage.py ferrotp_keys --new") from None
        try:
            if options["retire"]:
                get_mfa().retire_key(options["retire"])
                self.stdout.write(f"No record needs {options['retire']}: take it out of the keyring.")
                return
            used = get_mfa().keys_in_use()
        except MFAError as error:
            raise CommandError(str(error)) from None
        for key in keys.key_ids:
            role = "seals and opens" if key == keys.writes_with else "opens"
            self.stdout.write(f"{key}  {role}  {used.pop(key, 0)} records")
        for key, count in used.items():
            self.stdout.write(self.style.ERROR(f"{key}  MISSING: {count} records cannot be opened"))
