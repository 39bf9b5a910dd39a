"""How much of a kind may run at a time. Kept by dispatch, which lets waiting jobs into free places (LINE 15)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """At most `count` starts within any `per` seconds."""

    count: int
    per: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 1 or self.per <= 0:
            raise ValueError("Rate: at least one start within more than 0 seconds")
