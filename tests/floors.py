"""The floors of the house, bottom to top, and what stands on each: `test_house.py` holds them, `CONTRIBUTING.md` quotes
them. An import points down, or to the same floor; a longer place wins over a shorter one."""

FLOORS = [
    ("core", ["src/"]),
    ("bindings", ["src/python/", "ferrotp/_native.pyi"]),
    ("pyotp's surface", ["ferrotp/"]),
    ("vault", ["ferrotp/vault.py"]),
    ("transfer", ["ferrotp/transfer/"]),
    ("face", ["ferrotp/__init__.py"]),
    (
        "values",
        [
            f"ferrotp/mfa/{name}.py"
            for name in ("errors", "events", "foreign_users", "policy", "results", "stores/base")
        ],
    ),
    ("stores", ["ferrotp/mfa/stores/"]),
    ("service", ["ferrotp/mfa/"]),
    ("imports", ["ferrotp/mfa/imports/"]),
    ("web", ["ferrotp/web/"]),
    ("frameworks", ["ferrotp/flask/", "ferrotp/starlette/", "ferrotp/django/"]),
    ("program", ["ferrotp/cli/", "ferrotp/__main__.py"]),
    ("adapters", ["ferrotp/adapters/"]),
]

STRANGERS = [("ferrotp/flask/", "ferrotp/starlette/", "ferrotp/django/")]
"""Rooms of one floor that never know each other."""

EXTRAS = {
    "ferrotp/__pyinstaller/": {"PyInstaller"},  # which loads its hooks itself
    "ferrotp/__main__.py": {"click"},
    "ferrotp/adapters/allauth/": {"allauth", "django"},
    "ferrotp/adapters/django_otp/": {"django", "django_otp"},
    "ferrotp/adapters/flask_security/": {"flask", "flask_security"},
    "ferrotp/adapters/two_factor/": {"django", "django_otp", "two_factor"},
    "ferrotp/cli/": {"click"},
    "ferrotp/cli/demo-flask/": {"app", "argon2", "check", "flask", "flask_login", "flask_wtf", "users", "werkzeug"},
    "ferrotp/django/": {"django", "asgiref"},
    "ferrotp/django/drf.py": {"rest_framework"},
    "ferrotp/django/receivers.py": {"hijack"},
    "ferrotp/django/drf_schema.py": {"drf_spectacular"},
    "ferrotp/flask/commands.py": {"click"},  # Flask's own
    "ferrotp/web/commands.py": {"click"},
    "ferrotp/web/audit_commands.py": {"click"},
    "ferrotp/flask/": {"flask", "jinja2", "markupsafe", "flask_babel", "flask_login", "flask_wtf", "wtforms"},
    "ferrotp/django/management/commands/ferrotp_import.py": {"allauth", "sqlalchemy"},
    "ferrotp/mfa/imports/": {"cryptography", "sqlalchemy"},
    "ferrotp/mfa/stores/redis.py": {"redis"},
    "ferrotp/mfa/stores/redis_cluster.py": {"redis"},
    "ferrotp/mfa/stores/redis_nodes.py": {"redis"},
    "ferrotp/mfa/webauthn.py": {"cryptography", "fido2"},
    "ferrotp/mfa/sqlalchemy_events.py": {"sqlalchemy"},
    "ferrotp/mfa/service.py": {"sqlalchemy"},  # the type of an engine that it may get
    "ferrotp/mfa/stores/__init__.py": {"sqlalchemy"},  # likewise
    "ferrotp/mfa/stores/sql/": {"sqlalchemy", "psycopg", "pymysql"},
    "ferrotp/starlette/": {"anyio", "fastapi", "itsdangerous", "pydantic", "starlette"},
    "ferrotp/transfer/_opening.py": {"cryptography"},
    "ferrotp/transfer/scan.py": {"PIL", "zxingcpp"},
}
"""What an extra installs, and the only places that may know it. `__main__` only asks whether click is there."""
