"""An epoch for each user, with which logins end; and half-logins that were ended."""

import secrets
from typing import Any

from django.db import migrations, models

import ferrotp.django.fields


def give_epochs(apps: Any, schema_editor: Any) -> None:
    """To all who have a second factor. Others get theirs with their first one."""
    using = schema_editor.connection.alias
    factor, user = apps.get_model("ferrotp", "Factor"), apps.get_model("ferrotp", "UserEpoch")
    owners = factor.objects.using(using).exclude(state="pending").values_list("tenant", "user_id").distinct()
    fresh = (user(tenant=tenant, user_id=user_id, epoch=secrets.token_hex(16)) for tenant, user_id in owners.iterator())
    user.objects.using(using).bulk_create(fresh, batch_size=500)


class Migration(migrations.Migration):
    """Two tables, and the rows of one."""

    dependencies = [("ferrotp", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="UserEpoch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("epoch", ferrotp.django.fields.ExactTextField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_user_epoch",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "user_id"), name="ferrotp_django_user_epoch_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="EndedLogin",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant", ferrotp.django.fields.ExactTextField(editable=False)),
                ("user_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("login_id", ferrotp.django.fields.ExactTextField(editable=False)),
                ("expires_at", models.BigIntegerField(editable=False)),
            ],
            options={
                "db_table": "ferrotp_django_ended_login",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_id", "login_id"), name="ferrotp_django_ended_login_key"
                    )
                ],
            },
        ),
        migrations.RunPython(give_epochs, migrations.RunPython.noop),
    ]
