"""Whose a passkey is, and the challenges that were answered."""

from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [("ferrotp", "0002_userepoch")]

    operations = [
        migrations.CreateModel(
            name="AnsweredChallenge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("challenge", ferrotp.django.fields.ExactTextField(editable=False)),
                ("expires_at", models.BigIntegerField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_answered_challenge",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "challenge"), name="ferrotp_django_answered_challenge_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("factor_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_passkey",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "factor_id"), name="ferrotp_django_passkey_key"),
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "factor_id"), name="ferrotp_django_passkey_user"
                    ),
                ],
            },
        ),
    ]
