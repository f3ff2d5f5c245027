"""The pages: ``path("mfa/", include("ferrotp.django.urls"))``."""

from django.urls import path

from . import views

app_name = "ferrotp"
urlpatterns = [
    path("", views.settings, name="settings"),
    path("challenge", views.challenge, name="challenge"),
    path("recover", views.recover, name="recover"),
    path("passkey", views.passkey, name="passkey"),
    path("passkeys/add", views.add_passkey, name="add_passkey"),
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-in/options", views.sign_in_options, name="sign_in_options"),
    path("cancel", views.cancel, name="cancel"),
    path("set-up", views.set_up, name="set_up"),
    path("set-up/confirm", views.confirm, name="confirm"),
    path("recovery-codes", views.new_codes, name="new_codes"),
    path("recovery-codes/saved", views.saved, name="saved"),
    path("sessions/end", views.end_sessions, name="end_sessions"),
    path("sessions/<str:handle>/end", views.end_session, name="end_session"),
    path("factors/<str:factor_id>/remove", views.remove, name="remove"),
    path("devices/forget", views.forget_devices, name="forget_devices"),
    path("devices/<str:series>/forget", views.forget_devices, name="forget_device"),
    path("static/<path:path>", views.static, name="static"),
]
