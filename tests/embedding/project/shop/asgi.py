import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
_django = get_wsgi_application()

from jobs.web.live.edge import Edge  # noqa: E402

application = Edge(_django)
