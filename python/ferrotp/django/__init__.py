"""The second factor for a Django site and its admin; see docs/django.md."""
