"""Celery tasks of the shop, which know nothing of Jobsite."""

from celery import shared_task


@shared_task
def invoice(number: int, copies: int = 1, password: str = ""):
    """Write an invoice."""
    return {"number": number, "copies": copies, "signed": bool(password)}


@shared_task(autoretry_for=(OSError,), retry_kwargs={"max_retries": 1, "countdown": 0.2})
def ship(number: int):
    raise OSError(f"no lorry for {number}")
