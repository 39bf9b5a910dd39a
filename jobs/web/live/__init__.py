"""The web server's edge: what is asked so often, or held open so long, that Django's threads must not carry it."""
