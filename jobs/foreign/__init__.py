"""Other people's Celery tasks: found by name, called through a form that is made from their signature."""
