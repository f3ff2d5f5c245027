"""Where Django meets the service: ids, tenants, and what the site's own tables know better."""

from typing import Any
from uuid import UUID

import pytest
from django.db import models

from ferrotp.django.service import user_id_of
from ferrotp.mfa import InvalidIdentifier

TEXT = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


class Account(models.Model):
    """A user with a UUID."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label = "test_seams"


class Member(models.Model):
    """A user with a number."""

    class Meta:
        app_label = "test_seams"


@pytest.mark.parametrize("key", [UUID(TEXT), TEXT, TEXT.upper(), TEXT.replace("-", "")])
def test_a_uuid_has_one_text_however_the_object_holds_it(key: Any) -> None:
    assert user_id_of(Account(pk=key)) == TEXT


@pytest.mark.parametrize("key", [42, "42", "042"])
def test_a_number_has_one_text_too(key: Any) -> None:
    assert user_id_of(Member(pk=key)) == "42"


def test_a_user_who_was_never_saved_has_no_id() -> None:
    with pytest.raises(InvalidIdentifier, match="save it first"):
        user_id_of(Member())
