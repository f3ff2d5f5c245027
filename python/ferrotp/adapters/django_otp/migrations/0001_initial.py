"""The table."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import ferrotp.django.fields


class Migration(migrations.Migration):
    """As `makemigrations` wrote it."""

    initial = True

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="SealedTOTPDevice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                ("factor_id", ferrotp.django.fields.ExactTextField(editable=False, unique=True)),
                ("digits", models.PositiveSmallIntegerField(default=6, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="added")),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "sealed TOTP device",
                "verbose_name_plural": "sealed TOTP devices",
            },
        ),
    ]
