"""Users as shops have them: a UUID for a key, an address to log in with, and a manager that hides the closed ones."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Open(BaseUserManager):  # type: ignore[type-arg,unused-ignore]
    """Hides closed accounts."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(closed=False)

    def get_by_natural_key(self, name: Any) -> Any:
        return self.model._base_manager.get(email__iexact=name)


class Account(AbstractBaseUser, PermissionsMixin):
    """A user."""

    id: Any = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email: Any = models.EmailField(unique=True)
    is_staff: Any = models.BooleanField(default=False)
    is_active: Any = models.BooleanField(default=True)
    closed: Any = models.BooleanField(default=False)

    objects = Open()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
