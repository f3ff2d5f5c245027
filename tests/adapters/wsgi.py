"""The site that the settings name, with its tables."""

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections

application = get_wsgi_application()
call_command("migrate", verbosity=0)
connections.close_all()
