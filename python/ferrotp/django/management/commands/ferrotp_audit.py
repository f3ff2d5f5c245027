"""``manage.py ferrotp_audit``: the rows that say what was decided."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ferrotp.django.service import get_mfa
from ferrotp.mfa import MFA, MFAError
from ferrotp.web.audit_commands import entry_line, read_marks, report_body, report_lines


class Command(BaseCommand):
    """Verifies, exports and prunes."""

    help = "Says whether all rows of the audit are there as they were written; exports, shows and prunes them."

    def add_arguments(self, parser: Any) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="say whether all rows are there, as they were written")
        verify.add_argument("--marks", metavar="FILE", help="what `marks` said earlier")
        export = verbs.add_parser("export", help="all rows, as lines of JSON")
        verbs.add_parser("marks", help="how far the rows go now, as lines of JSON: to be kept elsewhere")
        prune = verbs.add_parser("prune", help="remove rows that are older than so many days")
        prune.add_argument("--days", type=int, metavar="N", help="default: POLICY's audit_days")
        show = verbs.add_parser("show", help="what happened to a user, the newest first")
        for verb in (verify, export):
            verb.add_argument("--user", metavar="ID", help="of one user: the primary key")
        show.add_argument("user", metavar="ID", help="the primary key")
        for verb in (verify, prune, show):
            verb.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def handle(self, *arguments: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(get_mfa(), **options)
        except MFAError as error:
            raise CommandError(str(error)) from None

    def _verify(self, mfa: MFA, *, user: str | None, marks: str | None, as_json: bool, **_: Any) -> None:
        if marks is None:
            report = mfa.verify_audit(user_id=user)
        else:
            try:
                with open(marks, encoding="utf-8") as lines:
                    report = mfa.verify_audit(user_id=user, marks=read_marks(lines))
            except (OSError, ValueError):
                raise CommandError("the file of marks cannot be read, or has a line that is none") from None
        self._say(report_body(report), report_lines(report), as_json)
        if report.faults:
            raise CommandError("rows of the audit were changed, or are missing", returncode=1)

    def _export(self, mfa: MFA, *, user: str | None, **_: Any) -> None:
        for entry in mfa.audit_entries(user_id=user):
            self.stdout.write(json.dumps(entry.as_json()))

    def _marks(self, mfa: MFA, **_: Any) -> None:
        for mark in mfa.audit_marks():
            self.stdout.write(json.dumps(asdict(mark)))

    def _prune(self, mfa: MFA, *, days: int | None, as_json: bool, **_: Any) -> None:
        if not (mfa.policy.audit_days if days is None else max(days, 0)):
            raise CommandError("say how old rows are kept: --days N, or POLICY's audit_days")
        removed = mfa.prune_audit(days=days)
        self._say({"removed": removed}, [f"{removed} rows removed"], as_json)

    def _show(self, mfa: MFA, *, user: str, as_json: bool, **_: Any) -> None:
        entries = mfa.activity(user_id=user)
        body = {"user_id": user, "entries": [entry.as_json() for entry in entries]}
        self._say(body, list(map(entry_line, entries)) or ["nothing"], as_json)

    def _say(self, body: dict[str, Any], lines: list[str], as_json: bool) -> None:
        for line in [json.dumps(body)] if as_json else lines:
            self.stdout.write(line)
