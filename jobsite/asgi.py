"""The web application: the edge (jobs.web.live) in front of Django's threads. `manage.py web` serves it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
_django = get_wsgi_application()  # sets Django up, which what follows needs

from jobs.web.live.edge import Edge  # noqa: E402

application = Edge(_django)
