"""Logging in: whoever guesses passwords is slowed down, at every place where one is asked for."""
