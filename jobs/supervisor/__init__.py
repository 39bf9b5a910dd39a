"""`manage.py up`: every process of Jobsite under one roof, started, watched and stopped in order."""
