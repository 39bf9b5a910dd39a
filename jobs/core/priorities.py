"""The four priorities. On Redis 0 is served first (on RabbitMQ last)."""

URGENT, HIGH, NORMAL, LOW = 0, 3, 6, 9
STEPS = (URGENT, HIGH, NORMAL, LOW)
BY_NAME = {"low": LOW, "normal": NORMAL, "high": HIGH, "urgent": URGENT}
NAMES = {number: name for name, number in BY_NAME.items()}
