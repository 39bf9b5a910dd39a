"""The processes of the system tests, killed here for longer."""

import logging

from tests.system.conftest import stack  # noqa: F401

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each of thousands of requests
