from django.db import models


class LedgerEntry(models.Model):
    """What became of one part of a job, e.g. a mail's recipient: the keeper's copy of what workers mark in Redis."""

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="ledger", db_index=False)
    #: What the kind names its parts by: an address, a row number.
    key = models.CharField(max_length=320)
    #: The kind's word: email uses sending, sent, refused, unknown.
    state = models.CharField(max_length=20)
    note = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "key"], name="ledger_key")]
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.key}: {self.state}"
