"""The example for gunicorn, with passwords hashed in microseconds. It is gunicorn's configuration, too: what workers
would load is loaded before they are forked, and each one still makes the application by itself.
"""

import gc

import sqlalchemy.dialects.sqlite  # noqa: F401
from app import create_app
from argon2 import PasswordHasher
from flask import Flask

import ferrotp.mfa.stores.sql  # noqa: F401

gc.freeze()


def application() -> Flask:
    made = create_app()
    users = made.extensions["example_users"]
    users._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    users._nobody = users._hasher.hash("nobody")
    return made
