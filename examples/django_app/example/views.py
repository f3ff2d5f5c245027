"""The site's own pages."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from ferrotp.django import LoginView, fresh_mfa_required, get_mfa, mfa_required  # MFA

from .forms import LoginForm, PasswordForm, RegisterForm


class Login(LoginView):  # MFA: instead of Django's
    """The first factor, and then the second. A user who asks for it is remembered, once both were right."""

    authentication_form = LoginForm
    template_name = "form.html"

    def form_valid(self, form: LoginForm) -> HttpResponse:
        response = super().form_valid(form)
        self.request.session["remember"] = form.cleaned_data["remember"]
        return response


def index(request: HttpRequest) -> HttpResponse:
    """For everybody."""
    return render(request, "index.html")


def register(request: HttpRequest) -> HttpResponse:
    """A new user."""
    form = RegisterForm(request.POST or None)
    if form.is_valid():
        email = form.cleaned_data["email"]
        User.objects.create_user(email, email, form.cleaned_data["password"])
        messages.success(request, "Welcome. Now log in.")
        return HttpResponseRedirect(reverse("login"))
    return render(request, "form.html", {"form": form, "title": "Register"}, status=400 if form.is_bound else 200)


@login_required
def inside(request: HttpRequest) -> HttpResponse:
    """For users."""
    return render(request, "inside.html")


@mfa_required  # MFA
def vault(request: HttpRequest) -> HttpResponse:
    """For users who have passed a second factor."""
    return render(request, "page.html", {"title": "Vault", "text": "Only a second factor leads here."})


@mfa_required  # MFA
async def async_vault(request: HttpRequest) -> HttpResponse:
    """The same, in a coroutine."""
    user = await request.auser() if hasattr(request, "auser") else request.user
    return HttpResponse(f"Only a second factor leads {user.get_username()} here.", content_type="text/plain")


@login_required
@fresh_mfa_required  # MFA
def password(request: HttpRequest) -> HttpResponse:
    """Changes the password, which ends trusted devices."""
    form = PasswordForm(request.POST or None)
    if form.is_valid():
        user = request.user
        user.set_password(form.cleaned_data["password"])
        user.save()
        update_session_auth_hash(request, user)
        messages.success(request, "The password is changed.")
        return HttpResponseRedirect(reverse("inside"))
    return render(
        request, "form.html", {"form": form, "title": "Change password"}, status=400 if form.is_bound else 200
    )


@login_required
def api_me(request: HttpRequest) -> HttpResponse:
    """For programs."""
    return JsonResponse({"email": request.user.get_username()})


@login_required
@require_POST
def api_guess(request: HttpRequest) -> HttpResponse:
    """What goes wrong elsewhere: a view under ATOMIC_REQUESTS that raises when the code is not right. The guess stays
    counted."""
    get_mfa().verify(user_id=str(request.user.pk), code=request.POST.get("code", ""))
    return JsonResponse({"right": True})
