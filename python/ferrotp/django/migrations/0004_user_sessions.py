"""The sessions of users, by which one is ended by itself."""

from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """A table."""

    dependencies = [("ferrotp", "0003_passkeys")]

    operations = [
        migrations.CreateModel(
            name="UserSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("handle", ferrotp.django.fields.ExactTextField(editable=False)),
                ("sealed", models.BinaryField(editable=False)),
                ("expires_at", models.BigIntegerField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_user_session",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "handle"), name="ferrotp_django_user_session_key"
                    )
                ],
            },
        ),
    ]
