"""What the store keeps. Change it through `ferrotp.mfa.MFA` only: each change is a decision."""

from typing import Any, ClassVar

from django.db import models

from ferrotp.mfa.stores.base import Factor as FactorRecord

from .fields import ExactTextField
from .words import lazy_word as _


class Factor(models.Model):
    """An authenticator of a user. Its secret is in `sealed`, encrypted, and nowhere else."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(_("user"), editable=False)
    factor_id = ExactTextField(editable=False)
    kind = ExactTextField(_("kind"), editable=False)
    name = ExactTextField(_("name"), editable=False)
    state = ExactTextField(
        _("state"),
        editable=False,
        choices=[("pending", _("pending")), ("active", _("active")), ("disabled", _("disabled"))],
    )
    sealed: Any = models.BinaryField(editable=False)
    legacy: Any = models.BooleanField(_("legacy secret"), editable=False)
    created_at: Any = models.BigIntegerField(editable=False)
    expires_at: Any = models.BigIntegerField(editable=False)
    last_step: Any = models.BigIntegerField(editable=False)
    drift: Any = models.BigIntegerField(_("drift"), editable=False)
    last_used_at: Any = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "ferrotp_django_factor"
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        default_permissions = ("view",)
        permissions: ClassVar = [("reset_user", _("Can reset a user's second factor"))]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "factor_id"], name="ferrotp_django_factor_key")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()

    @classmethod
    def of(cls, record: FactorRecord) -> "Factor":
        """The row of a record."""
        return cls(
            tenant=record.owner.tenant,
            user_id=record.owner.user_id,
            factor_id=record.factor_id,
            kind=record.kind,
            name=record.name,
            state=record.state,
            sealed=record.sealed,
            legacy=record.legacy,
            created_at=record.created_at,
            expires_at=record.expires_at,
            last_step=record.last_step,
            drift=record.drift,
            last_used_at=record.last_used_at,
        )


class UserEpoch(models.Model):
    """What a user's logins carry, so that they end when it moves. Not secret."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    epoch = ExactTextField(editable=False)

    class Meta:
        db_table = "ferrotp_django_user_epoch"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id"], name="ferrotp_django_user_epoch_key")
        ]


class EndedLogin(models.Model):
    """A login that was ended before its second factor, while a copy of it could be shown."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    login_id = ExactTextField(editable=False)
    expires_at: Any = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "ferrotp_django_ended_login"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "login_id"], name="ferrotp_django_ended_login_key")
        ]


class Passkey(models.Model):
    """Whose a passkey is: a credential is of one user alone. The rest of it is in `Factor`."""

    tenant = ExactTextField(editable=False)
    factor_id = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)

    class Meta:
        db_table = "ferrotp_django_passkey"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "factor_id"], name="ferrotp_django_passkey_key"),
            models.UniqueConstraint(fields=["tenant", "user_id", "factor_id"], name="ferrotp_django_passkey_user"),
        ]


class AnsweredChallenge(models.Model):
    """A challenge that a passkey answered, so that it is not answered once more."""

    tenant = ExactTextField(editable=False)
    challenge = ExactTextField(editable=False)
    expires_at: Any = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "ferrotp_django_answered_challenge"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "challenge"], name="ferrotp_django_answered_challenge_key")
        ]


class AuditEntry(models.Model):
    """An event, written with its decision and never changed: `MFA.verify_audit` says whether all are there."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(_("user"), editable=False)
    number: Any = models.BigIntegerField(_("number"), editable=False)
    happened_at: Any = models.BigIntegerField(editable=False)
    kind = ExactTextField(_("event"), editable=False)
    factor_id = ExactTextField(editable=False)
    method = ExactTextField(editable=False)
    detail: Any = models.TextField(editable=False)
    address = ExactTextField(_("address"), editable=False)
    user_agent = ExactTextField(_("browser"), editable=False)
    earlier: Any = models.BinaryField(editable=False)
    key_id = ExactTextField(editable=False)
    mac: Any = models.BinaryField(editable=False)

    class Meta:
        db_table = "ferrotp_django_audit_entry"
        verbose_name = _("event of a second factor")
        verbose_name_plural = _("events of second factors")
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "number"], name="ferrotp_django_audit_entry_key")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.number}: {self.kind}"


class AuditHead(models.Model):
    """Where the events of a user end, and where those that are kept begin."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    number: Any = models.BigIntegerField(editable=False, default=0)
    link: Any = models.BinaryField(editable=False, default=b"")
    pruned: Any = models.BigIntegerField(editable=False, default=0)
    anchor: Any = models.BinaryField(editable=False, default=b"")
    key_id = ExactTextField(editable=False, default="")
    mac: Any = models.BinaryField(editable=False, default=b"")

    class Meta:
        db_table = "ferrotp_django_audit_head"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id"], name="ferrotp_django_audit_head_key")
        ]


class Budget(models.Model):
    """The attempts of a user by one method."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    method = ExactTextField(editable=False)
    failures: Any = models.BigIntegerField(editable=False, default=0)
    retry_at: Any = models.BigIntegerField(editable=False, default=0)
    spent_until: Any = models.BigIntegerField(editable=False, default=0)

    class Meta:
        db_table = "ferrotp_django_budget"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "method"], name="ferrotp_django_budget_key")
        ]


class RecoveryCode(models.Model):
    """A recovery code that has not been used: sealed, and a hash at that."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    selector = ExactTextField(editable=False)
    sealed: Any = models.BinaryField(editable=False)

    class Meta:
        db_table = "ferrotp_django_recovery_code"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "selector"], name="ferrotp_django_recovery_code_key")
        ]


class TrustedDevice(models.Model):
    """A browser that its user asked not to be asked in again: hashes of its tokens."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    series = ExactTextField(editable=False)
    name = ExactTextField(editable=False)
    token_hash: Any = models.BinaryField(editable=False)
    earlier_hash: Any = models.BinaryField(editable=False)
    created_at: Any = models.BigIntegerField(editable=False)
    expires_at: Any = models.BigIntegerField(editable=False)
    last_used_at: Any = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "ferrotp_django_trusted_device"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "series"], name="ferrotp_django_trusted_device_key")
        ]


class UserSession(models.Model):
    """A session of a user's, so that it can be ended by itself. Pages call it by `handle`. The session's key, which is
    worth the login, is sealed."""

    tenant = ExactTextField(editable=False)
    user_id = ExactTextField(editable=False)
    handle = ExactTextField(editable=False)
    sealed: Any = models.BinaryField(editable=False)
    expires_at: Any = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "ferrotp_django_user_session"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user_id", "handle"], name="ferrotp_django_user_session_key")
        ]
