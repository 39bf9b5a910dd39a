"""manage.py createtoken USER: prints a new API token, alone, on stdout."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from jobs.core.access import SCOPES
from jobs.models import ApiToken, AuditEntry


class Command(BaseCommand):
    help = "Make a token for the REST API and print it. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="name of the user that the token acts for")
        parser.add_argument("--scope", choices=SCOPES, default="write", help="default: write")
        parser.add_argument("--name", default="command line", help="what lists call it")
        parser.add_argument("--days", type=int, help="days until it expires; default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        model = get_user_model()
        user = model._default_manager.filter(**{model.USERNAME_FIELD: options["user"]}).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.", returncode=2)
        if not 0 < len(options["name"].strip()) <= 100:
            raise CommandError("--name: expected 1 to 100 characters.", returncode=2)
        if options["days"] is not None and not 1 <= options["days"] <= 36_500:
            raise CommandError("--days: expected 1 to 36500.", returncode=2)
        expires = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        token, text = ApiToken.make(user, options["name"].strip(), options["scope"], expires)
        AuditEntry.record(None, "create token", target=str(token)[:200], via="cli", scope=token.scope)
        self.stdout.write(text)
