#!/usr/bin/env bash
# django-celery-beat 2.9.0 with Celery 5.7.0: a periodic task whose positional arguments are a JSON object or text.
#
# The field `args` takes any JSON; a list is what it is for, and an object is an easy slip, since `kwargs` stands beside
# it. apply_async refuses it ("task args must be a list or tuple"), so one expects an error. The scheduler iterates over
# whatever stands there first: the task is sent with the keys of the object, or the letters of the text, as arguments.
#
# Seen:
#   full_clean: accepted
#   object: ['order', 'amount']
#   text: ['a', 'b', 'c']
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

call_command("migrate", verbosity=0)
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

app = Celery("app", broker="memory://", set_as_current=True)
app.conf.beat_schedule = {}
every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
for name, args in (("object", '{"order": 1, "amount": 2}'), ("text", '"abc"')):
    task = PeriodicTask(name=name, task="shop.book", interval=every, args=args)
    task.full_clean()
    task.save()
print("full_clean: accepted")
scheduler = DatabaseScheduler(app=app, lazy=False)
with app.connection() as connection:
    for name in ("object", "text"):
        scheduler.apply_async(scheduler.schedule[name], advance=False)
        message = connection.SimpleQueue("celery").get(block=False)
        print(f"{name}:", message.payload[0])
        message.ack()
PYTHON
venv/bin/python -W ignore ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
full_clean: accepted
object: ['order', 'amount']
text: ['a', 'b', 'c']
SEEN
