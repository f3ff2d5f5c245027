"""What an import did, or would do: numbers, and for each reason a few users to look at. Never a secret."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .source_user import Note

EXAMPLES = 10
"""Users that are named for each reason: the length of a text, so no policy. All of them go to `on_note`; memory does
not grow with them."""


@dataclass(slots=True)
class ImportReport:
    """The numbers of one run."""

    format: str
    written: bool
    """Whether anything was written: otherwise these are the numbers of what would be."""
    users: int = 0
    """Who were looked at."""
    imported: int = 0
    """Users who came, or would come."""
    already: int = 0
    """Users of whom the store keeps something already. They were left alone."""
    factors: int = 0
    recovery_codes: int = 0
    enrolled: int | None = None
    """Users of the source who have a second factor here, asked of the store afterwards. None: nothing was written."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often something was ``skipped``, ``flagged`` or an ``error``, and why."""
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, note: Note) -> None:
        """Counts a note."""
        key = (note.outcome, note.reason)
        self.reasons[key] += 1
        users = self.examples.setdefault(key, [])
        if len(users) < EXAMPLES and note.user_id not in users:
            users.append(note.user_id)

    @property
    def errors(self) -> int:
        """Users of the source who are nobody here: they log in by the password alone."""
        return sum(count for (outcome, _), count in self.reasons.items() if outcome == "error")

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "format": self.format,
            "written": self.written,
            "users": self.users,
            "imported": self.imported,
            "already": self.already,
            "factors": self.factors,
            "recovery_codes": self.recovery_codes,
            "enrolled": self.enrolled,
            "errors": self.errors,
            "notes": [
                {"outcome": outcome, "reason": reason, "count": count, "users": self.examples[outcome, reason]}
                for (outcome, reason), count in self.reasons.most_common()
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        came = "came" if self.written else "would come"
        brought = f"{_many(self.factors, 'factor')} and {_many(self.recovery_codes, 'recovery code')}"
        lines = [f"{self.imported:,} of {_many(self.users, 'user')} {came}, with {brought}"]
        if self.already:
            lines.append(f"{self.already:,} were there already, and were left alone")
        if self.enrolled is not None:
            lines.append(f"{self.enrolled:,} of {_many(self.users, 'user')} are enrolled here now")
        titles = (("error", "ERRORS:"), ("flagged", "to be looked at:"), ("skipped", "left out:"))
        for outcome, title in titles:
            found = [(reason, count) for (one, reason), count in self.reasons.most_common() if one == outcome]
            if found:
                lines.append(title)
            for reason, count in found:
                users = self.examples[outcome, reason]
                named = ", ".join(map(repr, users)) + (", ..." if len(users) == EXAMPLES else "")
                lines.append(f"  {count:,} x {reason}: {named}")
        return lines


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
