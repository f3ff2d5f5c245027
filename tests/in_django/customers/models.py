"""As the guide of django-tenants has them."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Customer(TenantMixin):
    """A customer."""

    name = models.CharField(max_length=100)
    auto_create_schema = True

    class Meta:
        app_label = "customers"


class Domain(DomainMixin):
    """Where a customer's site is."""

    class Meta:
        app_label = "customers"
