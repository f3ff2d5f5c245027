"""Factors that are passkeys, each of one user alone, and the challenges that they answered."""

from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """A table, and an index."""

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
        migrations.AddConstraint(
            model_name="factor",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "passkey")),
                fields=("tenant", "factor_id"),
                name="ferrotp_django_factor_passkey",
            ),
        ),
    ]
