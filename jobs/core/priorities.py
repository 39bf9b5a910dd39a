"""The four priorities. On Redis 0 is served first (on RabbitMQ last)."""

URGENT, HIGH, NORMAL, LOW = 0, 3, 6, 9
STEPS = (URGENT, HIGH, NORMAL, LOW)
BY_NAME = {"low": LOW, "normal": NORMAL, "high": HIGH, "urgent": URGENT}
NAMES = {number: name for name, number in BY_NAME.items()}


def step_of(priority: int) -> int:
    """The list that a priority falls into, as kombu's Redis transport has it: the nearest one as urgent or more."""
    return max(step for step in STEPS if step <= max(priority, 0))
