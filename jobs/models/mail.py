from django.db import models
from django.utils import timezone


class Mail(models.Model):
    """A message that the embedded SMTP catcher took in; nothing of it left this machine."""

    received = models.DateTimeField(default=timezone.now, db_index=True)
    sender = models.CharField(max_length=320)
    #: The envelope's recipients, one a line.
    recipients = models.TextField()
    subject = models.CharField(max_length=500, blank=True)
    #: Message-ID, without angle brackets.
    message_id = models.CharField(max_length=320, blank=True)
    #: Id of the job that sent it (header X-Jobsite-Job), if any.
    job_id = models.CharField(max_length=255, blank=True, db_index=True)
    #: The message as it came over the wire.
    source = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.subject} to {self.recipients}"
