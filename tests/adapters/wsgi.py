"""The site that the settings name, with its tables. What a worker would load with its first pages is loaded before the
workers are forked: the URLs and all that they import, and the templates of the log-in.
"""

import gc

from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.shortcuts import resolve_url
from django.test import Client

application = get_wsgi_application()
call_command("migrate", verbosity=0)
for page in ("/inside", resolve_url(settings.LOGIN_URL), "/admin/"):
    Client(raise_request_exception=False).get(page, follow=True)
connections.close_all()
gc.collect()
gc.freeze()
