"""Names of everything that Jobsite keeps in Redis. docs/architecture.md lists what each holds."""

from jobs.core.priorities import step_of

EVENTS = "jobsite:events"
GROUP = "keeper"
#: Id of the last event that SQL has.
RECORDED = "jobsite:recorded"
#: How many events of each type have been recorded: type -> count.
RECORDED_OF = "jobsite:recorded-of"
#: Events that could not be recorded, with the reason; /readyz shows its length.
DEAD = "jobsite:dead"
#: A random word; gone or different: Redis was emptied, or replaced by an older copy (LINE 4).
EPOCH = "jobsite:epoch"
WORKERS = "jobsite:workers"
#: Ids of running jobs that somebody wishes cancelled; workers look every half second.
CANCELS = "jobsite:cancels"
#: Running jobs that somebody has paused: id -> "1", and "0" once it is to go on; workers look every half second.
PAUSES = "jobsite:pauses"
#: Queues that are paused: name -> JSON {"at": unix seconds, "by": user name}.
PAUSED = "jobsite:paused"
#: The suppression list (keeper/suppression.py): address in lower case -> reason; under COMPLETE what it is a copy of.
SUPPRESSED = "jobsite:suppressed"
COMPLETE = ""
#: How often each task of each worker held the event loop: JSON [node, task] -> count.
BLOCKED = "jobsite:blocked"
#: Holds nothing: the empty text is written to it, which changes nothing and is refused where writes are.
PROBE = "jobsite:probe"
#: Pub/sub: whose access has changed, so that web processes forget what they know of it.
ACCESS_CHANNEL = "jobsite:access"
#: kombu's own: messages delivered and not yet acknowledged.
UNACKED = "unacked"
UNACKED_INDEX = "unacked_index"
#: The field of such a message, beside its headers, that names the worker process which has it (lua/take.lua).
HOLDER = "jobsite_holder"


def run(job_id: str) -> str:
    return f"jobsite:run:{job_id}"


def left_at(job_id: str) -> str:
    """When the message of a job for another code base's worker was first seen to be gone [unix seconds]."""
    return f"jobsite:left:{job_id}"


def result(job_id: str) -> str:
    return f"celery-task-meta-{job_id}"


def last_take(consumer: str) -> str:
    """The number, list and tag of the message that a worker's consumer took last (lua/take.lua)."""
    return f"jobsite:take:{consumer}"


#: [s] after its last mark that a ledger stays in Redis; SQL has a copy.
LEDGER_EXPIRES = 30 * 86_400


def ledger(job_id: str) -> str:
    return f"jobsite:ledger:{job_id}"


#: [s] that the record of a worker process stays after its last beat: by what is left of it one reads when that was.
WORKER_EXPIRES = 120


def worker(process: str) -> str:
    return f"jobsite:worker:{process}"


def queue(name: str, priority: int) -> str:
    """The list behind one priority of a queue, as kombu names it (transport/redis.py, _q_for_pri)."""
    step = step_of(priority)
    return f"{name}\x06\x16{step}" if step else name
