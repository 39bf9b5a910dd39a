"""Inside a worker. Nothing here loads models, or writes state to SQL."""
