"""The rows of the audit, and where those of each user end."""

from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [("ferrotp", "0004_user_sessions")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="user")),
                ("number", models.BigIntegerField(editable=False, verbose_name="number")),
                ("happened_at", models.BigIntegerField(editable=False)),
                ("kind", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="event")),
                ("factor_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("method", ferrotp.django.fields.ExactTextField(editable=False)),
                ("detail", models.TextField(editable=False)),
                ("address", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="address")),
                ("user_agent", ferrotp.django.fields.ExactTextField(editable=False, verbose_name="browser")),
                ("earlier", models.BinaryField(editable=False)),
                ("key_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("mac", models.BinaryField(editable=False)),
            ],
            options={
                "verbose_name": "event of a second factor",
                "verbose_name_plural": "events of second factors",
                "db_table": "ferrotp_django_audit_entry",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "number"), name="ferrotp_django_audit_entry_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("number", models.BigIntegerField(default=0, editable=False)),
                ("link", models.BinaryField(default=b"", editable=False)),
                ("pruned", models.BigIntegerField(default=0, editable=False)),
                ("anchor", models.BinaryField(default=b"", editable=False)),
                ("key_id", ferrotp.django.fields.ExactTextField(default="", editable=False)),
                ("mac", models.BinaryField(default=b"", editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_audit_head",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "user_id"), name="ferrotp_django_audit_head_key")
                ],
            },
        ),
    ]
