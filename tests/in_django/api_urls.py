"""Views of other packages that give a token for the password, and one that only looks like it."""

from django.urls import include, path
from django.views.generic import TemplateView
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


class OurTokens(TokenObtainPairView):
    """As applications change it."""


jwt = [
    path("ours", OurTokens.as_view()),
    path("refresh", TokenRefreshView.as_view()),
]
urlpatterns = [
    path("api/token", ObtainAuthToken.as_view()),
    path("api/jwt/", include(jwt)),
    path("about", TemplateView.as_view(template_name="about.html")),
]
