"""The embedded test mailbox: a mail server on this machine that keeps every message and passes none on."""
