"""`manage.py sweep`: the same work over every pool and concurrency, on real workers beside a running site."""
