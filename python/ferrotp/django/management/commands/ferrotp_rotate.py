"""``manage.py ferrotp_rotate``: seals every record with the first key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ferrotp.django.models import Factor, RecoveryCode
from ferrotp.django.service import get_mfa
from ferrotp.django.store import DjangoStore
from ferrotp.mfa import MFAError, Rotation

_WIDTH = 30


class Command(BaseCommand):
    """Rotates keys."""

    help = (
        "Seals every record with the first key of the keyring. It may be stopped at any point and run again: what is "
        "done is skipped, and every record can be read throughout."
    )

    def handle(self, *arguments: Any, **options: Any) -> None:
        mfa = get_mfa()
        self._total = self._count(mfa.store)
        self._bar = self.stderr.isatty() and options["verbosity"] > 0
        try:
            done = mfa.rotate_keys(progress=self._show)
        except KeyboardInterrupt:
            self.stderr.write("")
            raise CommandError("stopped: run it again to go on") from None
        except MFAError as error:
            raise CommandError(f"{error}. Run it again to go on") from None
        if self._bar:
            self.stderr.write("")
        for line in done.failed:
            self.stderr.write(self.style.ERROR(line))
        self.stdout.write(f"{done.seen} records seen, {done.resealed} resealed, {len(done.failed)} failed.")
        if done.failed:
            raise CommandError("some records could not be opened: they stay as they are")

    @staticmethod
    def _count(store: Any) -> int:
        if not isinstance(store, DjangoStore):
            return 0
        alias = store.alias
        return Factor.objects.using(alias).count() + RecoveryCode.objects.using(alias).count()

    def _show(self, rotation: Rotation) -> None:
        if not self._bar:
            return
        total = max(self._total, rotation.seen)
        filled = _WIDTH * rotation.seen // total if self._total else 0
        bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if self._total else ""
        of = f" of {total}" if self._total else ""
        self.stderr.write(f"\r{bar}{rotation.seen}{of} records, {rotation.resealed} resealed", ending="")
        self.stderr.flush()
