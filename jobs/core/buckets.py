"""Durations as the buckets of a histogram: four to each doubling, so that a bucket's middle is a tenth off at most."""

from math import log2

PER_DOUBLING = 4
#: [s] All that is shorter is one bucket, 0.
SHORTEST = 0.001


def bucket_of(seconds: float) -> int:
    return int(PER_DOUBLING * log2(seconds / SHORTEST)) + 1 if seconds > SHORTEST else 0


def middle_of(bucket: int) -> float:
    """[s]"""
    return SHORTEST * 2 ** ((bucket - 0.5) / PER_DOUBLING)
