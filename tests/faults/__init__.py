"""Whole products killed at random while they work, and every job counted afterwards: `make faults`.

An app too: in the workers it writes down each body that begins and ends.
"""
