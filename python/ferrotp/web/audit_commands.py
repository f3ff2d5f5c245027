"""The commands of the audit: ``audit verify``, ``export``, ``marks``, ``prune`` and ``show``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, TypeAlias

import click

from ..mfa import MFA, AuditEntry, AuditFault, AuditMark, AuditReport
from .problems import rfc3339

Opened: TypeAlias = Callable[..., AbstractContextManager[MFA]]
Say: TypeAlias = Callable[[dict[str, Any], Sequence[str], bool], None]


def audit_group(
    command: Callable[[str, Callable[..., Any]], click.Command],
    opened: Opened,
    say: Say,
    failed: Callable[[str], Exception],
) -> click.Group:
    """The commands as a group.

    :param command: makes one of a name and a function
    :param opened: the service, as `ferrotp.web.commands` has it
    """

    @click.option("--user", metavar="USER", help="Of one user.  [default: of all, of all tenants]")
    @click.option(
        "--marks",
        "marks_file",
        type=click.File(encoding="utf-8"),
        metavar="FILE",
        help="What `marks` said earlier.",
    )
    def verify(user: str | None, marks_file: Any, as_json: bool, **given: Any) -> int:
        """Say whether all rows are there, as they were written.

        It is an error if one is not."""
        with opened(given, needs_keys=True) as mfa:
            try:
                found = mfa.verify_audit(user_id=user, marks=read_marks(marks_file or ()))
            except ValueError:
                raise failed("the file of marks has a line that is none") from None
        say(report_body(found), report_lines(found), as_json)
        return 1 if found.faults else 0

    @click.option("--user", metavar="USER", help="Of one user.  [default: of all]")
    def export(user: str | None, as_json: bool, **given: Any) -> int:
        """All rows, as lines of JSON, the oldest of each user first."""
        with opened(given) as mfa:
            for entry in mfa.audit_entries(user_id=user):
                click.echo(json.dumps(entry.as_json()))
        return 0

    def marks(as_json: bool, **given: Any) -> int:
        """How far the rows go now, as lines of JSON: to be kept elsewhere, for `audit verify --marks`.

        They show later that somebody has put an older copy in the place of all of it."""
        with opened(given) as mfa:
            for mark in mfa.audit_marks():
                click.echo(json.dumps(asdict(mark)))
        return 0

    @click.option("--days", type=click.IntRange(0, 36_500), metavar="N", help="[default: as the policy says]")
    def prune(days: int | None, as_json: bool, **given: Any) -> int:
        """Remove rows that are older than so many days.

        What is left still shows what was changed in it. Rows that are not right stay."""
        with opened(given, needs_keys=True) as mfa:
            if not (mfa.policy.audit_days if days is None else days):
                raise failed("say how old rows are kept: --days N, or the policy's audit_days")
            removed = mfa.prune_audit(days=days)
        say({"removed": removed}, [f"{removed} rows removed"], as_json)
        return 0

    @click.argument("user")
    @click.option("--limit", type=click.IntRange(1, 1000), default=50, metavar="N", help="[default: 50]")
    def show(user: str, limit: int, as_json: bool, **given: Any) -> int:
        """What happened to a user, the newest first.

        USER is the id that the application knows the user by."""
        with opened(given) as mfa:
            found = mfa.activity(user_id=user, limit=limit)
        body = {"user_id": user, "entries": [entry.as_json() for entry in found]}
        say(body, list(map(entry_line, found)) or ["nothing"], as_json)
        return 0

    group = click.Group("audit", help="The rows that say what was decided: verify, export, marks, prune, show.")
    functions: dict[str, Any] = {"verify": verify, "export": export, "marks": marks, "prune": prune, "show": show}
    for name, function in functions.items():
        group.add_command(command(name, function))
    return group


def read_marks(lines: Iterable[str]) -> Iterator[AuditMark]:
    """:raises ValueError: for a line that is no mark"""
    for line in lines:
        try:
            given = json.loads(line)
            mark = AuditMark(given["tenant"], given["user_id"], given["number"], given["link"])
        except (LookupError, TypeError, RecursionError):
            raise ValueError from None
        texts = (mark.tenant, mark.user_id, mark.link)
        if type(mark.number) is not int or not all(isinstance(text, str) for text in texts):
            raise ValueError
        yield mark


def report_body(report: AuditReport) -> dict[str, Any]:
    """What `MFA.verify_audit` found, for programs."""
    return {"users": report.users, "rows": report.rows, "faults": [asdict(fault) for fault in report.faults]}


def report_lines(report: AuditReport) -> list[str]:
    """The same for people."""
    said = f"{report.rows} rows of {report.users} users: "
    return [*map(_fault_line, report.faults), said + (f"{len(report.faults)} faults" if report.faults else "all right")]


def _fault_line(fault: AuditFault) -> str:
    whose = f"tenant {fault.tenant!r}, user {fault.user_id!r}" if fault.user_id or fault.tenant else "the store"
    return f"{whose}{f', row {fault.number}' if fault.number else ''}: {fault.reason}"


def entry_line(entry: AuditEntry) -> str:
    """A row in a line."""
    detail = " ".join(f"{name}={value}" for name, value in entry.detail.items() if value is not None)
    parts = (str(entry.number), rfc3339(entry.at), entry.kind, entry.method, entry.address, detail)
    return "  ".join(part for part in parts if part)
