#!/usr/bin/env bash
# Celery 5.7.0's beat_schedule taken over by django-celery-beat 2.9.0's DatabaseScheduler.
#
# Celery documents `options` of an entry as whatever apply_async takes, and its own beat passes all of it on. The
# database's scheduler keeps queue, exchange, routing_key, priority, headers and expire_seconds: `expires`, `time_limit`
# and the like vanish without a word, so that runs which were to expire after 15 s pile up behind a worker that is away
# and all run later. And `schedule: 0.5`, half a second, becomes an interval of 0 seconds, which is due at every tick.
#
# Seen:
#   expires in the code: 15.0 in the table: expires None expire_seconds None
#   time_limit kept anywhere: False
#   every 0.5 s in the code; in the table: 0 seconds
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "celery==5.7.0" "kombu==5.7.0" "django==5.2.19" \
    "django-celery-beat==2.9.0"
cat >ask.py <<'PYTHON'
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django_celery_beat"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
)
django.setup()
from celery import Celery
from django.core.management import call_command
from django.forms.models import model_to_dict

call_command("migrate", verbosity=0)
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

app = Celery("app", broker="memory://", set_as_current=True)
app.conf.beat_schedule = {
    "often": {"task": "shop.sync", "schedule": 0.5, "options": {"expires": 15.0, "time_limit": 30}},
}
DatabaseScheduler(app=app, lazy=False)
row = PeriodicTask.objects.get(name="often")
print("expires in the code: 15.0 in the table: expires", row.expires, "expire_seconds", row.expire_seconds)
print("time_limit kept anywhere:", "30" in str(model_to_dict(row)))
print("every 0.5 s in the code; in the table:", row.interval.every, row.interval.period)
PYTHON
venv/bin/python -W ignore ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
expires in the code: 15.0 in the table: expires None expire_seconds None
time_limit kept anywhere: False
every 0.5 s in the code; in the table: 0 seconds
SEEN
