"""manage.py suppress: put addresses on the suppression list, or take them off, from arguments or standard input."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.kinds._email import suppression
from jobs.kinds._email.addresses import bare


class Command(BaseCommand):
    help = "Put addresses on the list of those that no mailing writes to. Without any, standard input is read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("addresses", nargs="*", help="such as nina@example.com")
        parser.add_argument("--reason", default="", help="why, such as bounced; at most 200 characters")
        parser.add_argument("--remove", action="store_true", help="take them off the list instead")

    def handle(self, *args: Any, **options: Any) -> None:
        if len(options["reason"]) > 200:
            raise CommandError("--reason: at most 200 characters.", returncode=2)
        try:
            addresses = bare("\n".join(options["addresses"]) or sys.stdin.read())
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        if not addresses:
            raise CommandError("Name at least one address.", returncode=2)
        if options["remove"]:
            count, done = suppression.remove(addresses, via="cli"), "removed"
        else:
            count, done = suppression.add(addresses, options["reason"], via="cli"), "added"
        self.stdout.write(f"{count:,} of {len(addresses):,} {done}.")
