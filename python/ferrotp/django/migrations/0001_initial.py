"""The tables."""

from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """As `makemigrations` wrote it."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("method", ferrotp.django.fields.ExactTextField(editable=False)),
                ("failures", models.BigIntegerField(default=0, editable=False)),
                ("retry_at", models.BigIntegerField(default=0, editable=False)),
                ("spent_until", models.BigIntegerField(default=0, editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_budget",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "user_id", "method"), name="ferrotp_django_budget_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="Factor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="user")),
                ("factor_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("kind", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="kind")),
                ("name", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="name")),
                (
                    "state",
                    ferrotp.django.fields.ExactTextField(
                        choices=[("pending", "pending"), ("active", "active"), ("disabled", "disabled")],
                        editable=False,
                        verbose_name="state",
                    ),
                ),
                ("sealed", models.BinaryField()),
                ("legacy", models.BooleanField(editable=False, verbose_name="legacy secret")),
                ("created_at", models.BigIntegerField(editable=False)),
                ("expires_at", models.BigIntegerField(editable=False)),
                ("last_step", models.BigIntegerField(editable=False)),
                ("drift", models.BigIntegerField(editable=False, verbose_name="drift")),
                ("last_used_at", models.BigIntegerField(editable=False)),
            ],
            options={
                "verbose_name": "second factor",
                "verbose_name_plural": "second factors",
                "db_table": "ferrotp_django_factor",
                "permissions": [("reset_user", "Can reset a user's second factor")],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "user_id", "factor_id"), name="ferrotp_django_factor_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("selector", ferrotp.django.fields.ExactTextField(editable=False)),
                ("sealed", models.BinaryField()),
            ],
            options={
                "db_table": "ferrotp_django_recovery_code",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "selector"), name="ferrotp_django_recovery_code_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TrustedDevice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("series", ferrotp.django.fields.ExactTextField(editable=False)),
                ("name", ferrotp.django.fields.ExactTextField(editable=False)),
                ("token_hash", models.BinaryField()),
                ("earlier_hash", models.BinaryField()),
                ("created_at", models.BigIntegerField(editable=False)),
                ("expires_at", models.BigIntegerField(editable=False)),
                ("last_used_at", models.BigIntegerField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_trusted_device",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "series"), name="ferrotp_django_trusted_device_key"
                    )
                ],
            },
        ),
    ]
