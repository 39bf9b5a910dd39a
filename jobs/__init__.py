"""Jobsite's app: background jobs that are never lost, doubled or lied about."""
