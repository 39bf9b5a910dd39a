"""manage.py kinds: what can be submitted."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.core.registry import all_kinds
from jobs.web.api.schema import schema_of


class Command(BaseCommand):
    help = "List the kinds of job: slug, pool, label."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="as JSON, with the JSON Schema of the parameters")

    def handle(self, *args: Any, **options: Any) -> None:
        kinds = all_kinds()
        if options["json"]:
            found = [
                {"kind": slug, "pool": kind.pool, "label": kind.label, "schema": schema_of(kind)}
                for slug, kind in kinds.items()
            ]
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
            return
        rows = [("KIND", "POOL", "LABEL"), *((slug, kind.pool, kind.label) for slug, kind in kinds.items())]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for slug, pool, label in rows:
            self.stdout.write(f"{slug:<{widths[0]}}  {pool:<{widths[1]}}  {label}")
