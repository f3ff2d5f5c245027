"""The site's URLs, with a challenge of its own."""

from django.urls import path

from .urls import own_challenge
from .urls import urlpatterns as others

urlpatterns = [path("mfa/challenge", own_challenge), *others]
