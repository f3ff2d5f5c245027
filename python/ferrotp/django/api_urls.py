"""The JSON API for pages in JavaScript: ``path("mfa/api/", include("ferrotp.django.api_urls"))``."""

from .api import SessionAPI

app_name = "ferrotp-api"
api = SessionAPI()
urlpatterns = api.urls
