#!/usr/bin/env python
"""Django's command line for Jobsite."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, InterfaceError

    try:
        execute_from_command_line(sys.argv)
    except (DatabaseError, InterfaceError) as error:
        from jobs.core.outage import DATABASE_AWAY, outage_of

        outage = outage_of(error)
        if outage is None or "--traceback" in sys.argv:
            raise
        told = "The database cannot be used" if outage.text == DATABASE_AWAY else outage.text
        sys.exit(f"{told}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
