"""The REST API under /api/v1/. Each call is declared once (endpoint.py): serving, checks and documents follow."""
