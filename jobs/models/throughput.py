from django.db import models


class Throughput(models.Model):
    """What came and went in one minute of one queue: counted by the keeper, so that charts cost the same for ever."""

    minute = models.DateTimeField()
    queue = models.CharField(max_length=100)
    #: Attempts that were queued.
    entered = models.PositiveIntegerField(default=0)
    #: Jobs that ended well or were cancelled, and jobs that failed.
    finished = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["minute", "queue"], name="throughput_minute")]
        verbose_name_plural = "throughput"

    def __str__(self) -> str:
        return f"{self.queue}, {self.minute:%Y-%m-%d %H:%M}"


class Timing(models.Model):
    """How long attempts waited and ran: a histogram of each minute, counted by the keeper, too."""

    minute = models.DateTimeField()
    #: "wait", from queued to started, in the minute of the start; "run", from started to ended, in that of the end.
    measure = models.CharField(max_length=4)
    #: core/buckets.py says how long that is.
    bucket = models.SmallIntegerField()
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["minute", "measure", "bucket"], name="timing_minute")]

    def __str__(self) -> str:
        return f"{self.measure}, {self.minute:%Y-%m-%d %H:%M}"
