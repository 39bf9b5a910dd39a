"""Celery tasks of the shop, which know nothing of Jobsite."""

from functools import cached_property

from celery import Task, shared_task


@shared_task
def invoice(number: int, copies: int = 1, password: str = ""):
    """Write an invoice."""
    return {"number": number, "copies": copies, "signed": bool(password)}


@shared_task(autoretry_for=(OSError,), retry_kwargs={"max_retries": 1, "countdown": 0.2})
def ship(number: int):
    raise OSError(f"no lorry for {number}")


@shared_task(ignore_result=True)
def stir(number: int):
    return number


class KeptInSql(Task):
    """Tasks whose results the shop's own pages read from its database, whatever the others' are kept in."""

    @cached_property
    def backend(self):
        from django_celery_results.backends.database import DatabaseBackend

        return DatabaseBackend(app=self.app)


@shared_task(base=KeptInSql)
def weigh(number: int):
    return {"kg": number / 2}
