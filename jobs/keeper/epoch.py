"""Whether this is still the Redis that we knew (LINE 4)."""

import time
import uuid
from typing import Any

from jobs.wire import keys


class Epoch:
    """Watches the stored word and the server's run id; a change opens a time in which nothing is judged lost."""

    def __init__(self, quiet: float):
        self._quiet = quiet
        self._known = ""
        self._until = time.monotonic() + quiet

    @property
    def is_settled(self) -> bool:
        """False for one lease after a start, an outage or a change: workers announce meanwhile what they hold."""
        return time.monotonic() >= self._until

    def unsettle(self) -> None:
        self._until = time.monotonic() + self._quiet

    def look(self, client: Any) -> None:
        """Raises redis errors."""
        run_id = client.info("server")["run_id"]
        stored = client.get(keys.EPOCH) or ""
        if not stored.endswith(run_id):
            # Restarted: what it had not yet written to disk is gone. The new word makes workers send again.
            stored = f"{uuid.uuid4().hex}:{run_id}"
            client.set(keys.EPOCH, stored)
        if stored != self._known:
            if self._known:
                self.unsettle()
            self._known = stored
