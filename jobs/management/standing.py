"""How the database stands, said when a command starts: one that has not been brought up to date, or does not answer."""

from typing import Any

from django.db import Error, connection

from jobs.core.outage import DATABASE_AWAY, NOT_MIGRATED, outage_of
from jobs.supervisor.prepare import is_up_to_date


def tell(say: Any) -> None:
    """One line through `say` where the database is not as it should be.

    For commands that run on: they wait for the database, and go on once it is.
    """
    try:
        if not is_up_to_date():
            say(f"{NOT_MIGRATED}.")
    except Error as error:
        outage = outage_of(error)
        say(outage.text if outage else f"{DATABASE_AWAY} ({' '.join(str(error).split())})")
    finally:
        connection.close()  # a command may fork, or run on without SQL
