"""What a schedule does with overlaps, missed runs, jitter, a skipped run and a pause; and that what is shown is so."""

from datetime import timedelta
from itertools import islice, pairwise

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.core.errors import Conflict, Refused
from jobs.models import AuditEntry, Job, Schedule
from jobs.schedules import fire
from jobs.schedules.editor import is_skipping, pause_until, skip_next, switch, unskip
from jobs.schedules.plan import runs, upcoming
from jobs.schedules.reckon import with_task
from jobs.schedules.scheduler import Clock
from tests.unit.schedule_making import make_schedule
from tests.unit.test_schedule_fire import due, slots

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def every_minute(**terms):
    return make_schedule(name="minutely", rule="every", every="1", period="minutes", **terms)


def fresh(schedule):
    return with_task(Schedule.objects.all()).get(pk=schedule.pk)


def shown(schedule, count):
    """The starts that pages and API tell."""
    return [run.at for run in islice(upcoming(fresh(schedule), timezone.now()), count)]


def missed_for(schedule, minutes):
    """Let the scheduler have been away so long; answers the slots that were missed."""
    first = timezone.now() - minutes * MINUTE + timedelta(seconds=30)
    Schedule.objects.update(slot=first, next_run_at=first)
    return [first + number * MINUTE for number in range(minutes)]


def drain():
    while fire.fire_due():
        pass


def end(job, state="SUCCESS"):
    Job.objects.filter(pk=job.pk).update(state=state)


# --- overlap


def test_runs_start_beside_a_running_one_where_that_is_allowed():
    schedule = every_minute(overlap="allow")
    for ago in (90, 30):
        due(schedule, ago)
        fire.fire_due()
    assert Job.objects.count() == 2


def test_a_run_is_left_out_while_the_former_is_unfinished_and_counted():
    schedule = every_minute(overlap="skip")
    due(schedule, 50)
    fire.fire_due()
    job = Job.objects.get()
    for state in ("PENDING", "STARTED", "RETRY"):
        end(job, state)
        due(schedule, 5)
        fire.fire_due()
    assert Job.objects.count() == 1 and fresh(schedule).left_out == 3
    end(job, "FAILURE")
    last = due(schedule)
    fire.fire_due()
    assert Job.objects.order_by("-seq").first().slot == last and fresh(schedule).left_out == 0
    assert PeriodicTask.objects.get().total_run_count == 2


def test_a_job_that_somebody_started_by_hand_counts_as_running():
    schedule = every_minute(overlap="skip")
    fire.run_now(schedule)
    due(schedule)
    fire.fire_due()
    assert Job.objects.count() == 1


def test_one_run_is_held_back_and_starts_once_the_former_has_ended():
    schedule, clock = every_minute(overlap="queue"), Clock()
    first = due(schedule, 50)
    clock.tick()
    held = due(schedule, 30)
    clock.tick()
    due(schedule, 10)
    clock.tick()
    assert slots() == [first] and (fresh(schedule).held, fresh(schedule).left_out) == (held, 1)
    end(Job.objects.get())
    later = due(schedule)
    clock.tick()  # the held one goes before the one that is due now
    assert slots() == [first, held]
    assert fresh(schedule).held == later
    end(Job.objects.get(slot=held))
    clock.tick()
    assert slots() == [first, held, later] and fresh(schedule).held is None


def test_a_held_run_of_a_schedule_that_is_paused_does_not_start():
    for stop in (lambda s: switch(s, False, None, "form"),
                 lambda s: pause_until(s, timezone.now() + MINUTE, None, "form"),
                 lambda _: PeriodicTask.objects.update(enabled=False)):  # fmt: skip
        schedule = every_minute(overlap="queue")
        for ago in (50, 30):
            due(schedule, ago)
            fire.fire_due()
        assert fresh(schedule).held
        stop(fresh(schedule))
        end(Job.objects.get())
        fire.release_held()
        assert Job.objects.count() == 1 and fresh(schedule).held is None
        Job.objects.all().delete()
        PeriodicTask.objects.all().delete()


def test_two_schedulers_start_a_held_run_once():
    schedule = every_minute(overlap="queue")
    for ago in (50, 30):
        due(schedule, ago)
        fire.fire_due()
    end(Job.objects.get())
    decided = [[fire._released(fresh(schedule))] for _ in range(2)]
    for turns in decided:
        fire._carry_out(turns)
    assert Job.objects.count() == 2


# --- missed runs


@pytest.mark.parametrize(
    ("terms", "made_up"),
    [
        ({"misfire": "skip"}, slice(0, 0)),
        ({"misfire": "once"}, slice(0, 1)),
        ({"misfire": "all", "misfire_limit": "3"}, slice(-3, None)),
        ({"misfire": "all", "misfire_limit": "100"}, slice(0, None)),
    ],
)
def test_missed_runs_are_made_up_for_as_the_schedule_says(terms, made_up):
    schedule = every_minute(**terms)
    missed = missed_for(schedule, 7)
    drain()
    assert slots() == missed[made_up]
    assert timezone.now() < fresh(schedule).next_run_at <= missed[-1] + MINUTE


def test_the_newest_of_very_many_missed_runs_are_found_at_once():
    make_schedule(
        name="s", rule="every", every="1", period="seconds", misfire="all", misfire_limit="5", overlap="allow"
    )
    long_ago = timezone.now() - timedelta(days=900)
    Schedule.objects.update(slot=long_ago, next_run_at=long_ago)
    now = timezone.now()
    for _ in range(5):
        assert fire.fire_due(now) == 1
    assert fire.fire_due(now) == 0
    found = slots()
    assert len(found) == 5 and now - found[-1] < timedelta(seconds=1)
    assert {after - before for before, after in pairwise(found)} == {timedelta(seconds=1)}


def test_what_is_made_up_for_keeps_to_the_overlap_policy():
    schedule = every_minute(misfire="all", misfire_limit="5", overlap="skip")
    missed = missed_for(schedule, 5)
    drain()
    assert slots() == missed[:1] and fresh(schedule).left_out == 4


# --- jitter


def test_jitter_is_the_same_for_the_same_slot_and_differs_between_slots_and_schedules():
    one = make_schedule(name="one", jitter="600")
    other = make_schedule(name="other", jitter="600")
    found = {schedule: list(islice(runs(fresh(schedule), timezone.now()), 30)) for schedule in (one, other)}
    assert found[one] == list(islice(runs(fresh(one), timezone.now()), 30))
    late = {schedule: [run.at - run.slot for run in each] for schedule, each in found.items()}
    assert all(timedelta() <= each < timedelta(seconds=600) for each in late[one] + late[other])
    assert len(set(late[one])) > 20 and late[one] != late[other]


def test_what_is_shown_is_when_it_starts_and_the_job_carries_the_rules_own_time():
    schedule = make_schedule(jitter="3600")
    told = shown(schedule, 3)
    for moment in told:
        assert fire.fire_due(moment - timedelta(seconds=1)) == 0
        assert fire.fire_due(moment) == 1
        zone = schedule.task.crontab.timezone
        assert f"{Job.objects.latest('seq').slot.astimezone(zone):%H:%M:%S}" == "04:30:00"
    assert len(set(slots())) == 3


def test_jitter_longer_than_the_gap_keeps_the_order_and_the_end():
    end = timezone.now() + timedelta(minutes=30)
    schedule = make_schedule(cron="* * * * *", jitter="86400", end=f"{end:%Y-%m-%dT%H:%M:%S}", timezone="UTC")
    found = list(runs(fresh(schedule), timezone.now()))
    assert len(found) >= 29
    assert all(run.slot <= run.at < following.slot for run, following in pairwise(found))
    assert found[-1].at <= end


def test_more_jitter_does_not_run_a_slot_twice():
    schedule = every_minute(jitter="0")
    slot = due(schedule, 1)
    fire.fire_due()
    Schedule.objects.update(jitter=50)
    assert all(run.slot > slot for run in islice(runs(fresh(schedule), slot + timedelta(seconds=1)), 3))


# --- one run skipped


def test_one_run_is_skipped_and_only_one():
    schedule = make_schedule()
    told = shown(schedule, 4)
    assert skip_next(fresh(schedule), None, "form") == told[0]
    assert shown(schedule, 3) == told[1:]
    assert skip_next(fresh(schedule), None, "form") == told[0]  # asked again, nothing more is
    assert shown(schedule, 3) == told[1:]
    assert fire.fire_due(told[0] + MINUTE) == 0 and fire.fire_due(told[1]) == 1
    assert slots() == [told[1]]
    assert list(AuditEntry.objects.filter(action="skip next run").values_list("target", "via")) == [("Nightly", "form")]


def test_a_skipped_run_can_be_let_run_after_all():
    schedule = every_minute()
    told = shown(schedule, 3)
    skip_next(fresh(schedule), None, "form")
    unskip(fresh(schedule), None, "form")
    assert shown(schedule, 3) == told and not is_skipping(fresh(schedule))
    unskip(fresh(schedule), None, "form")
    assert list(AuditEntry.objects.values_list("action", flat=True))[1:] == ["skip next run", "do not skip"]


def test_a_skip_outlives_other_changes_and_ends_with_its_rule():
    schedule = make_schedule()
    told = shown(schedule, 2)
    skip_next(fresh(schedule), None, "form")
    PeriodicTask.objects.get().save()
    Schedule.objects.update(jitter=1)
    Clock().tick()
    assert is_skipping(fresh(schedule)) and fresh(schedule).slot == told[1]
    rule = PeriodicTask.objects.get().crontab
    rule.hour = "6"
    rule.save()
    assert not is_skipping(fresh(schedule))


def test_a_run_that_starts_just_now_cannot_be_skipped():
    schedule = every_minute()
    seen = fresh(schedule)
    due(schedule)
    with pytest.raises(Conflict, match="started meanwhile"):
        skip_next(seen, None, "form")
    with pytest.raises(Conflict, match="No run is planned"):
        skip_next(fresh(schedule), None, "form")
    switch(fresh(schedule), False, None, "form")
    with pytest.raises(Conflict, match="No run is planned"):
        skip_next(fresh(schedule), None, "form")


# --- paused until


def test_a_pause_ends_by_itself_and_what_falls_into_it_is_not_made_up_for():
    schedule = every_minute(misfire="all")
    until = timezone.now() + timedelta(hours=2)
    pause_until(fresh(schedule), until, None, "api")
    first = shown(schedule, 1)[0]
    assert until <= first < until + MINUTE
    assert fire.fire_due(until - MINUTE) == 0
    assert fire.fire_due(first) == 1 and slots() == [first]
    entry = AuditEntry.objects.get(action="pause until")
    assert (entry.target, entry.detail) == ("minutely", {"until": until.isoformat()})


def test_a_pause_can_be_ended_early():
    schedule = every_minute()
    told = shown(schedule, 2)
    pause_until(fresh(schedule), timezone.now() + timedelta(days=1), None, "form")
    switch(fresh(schedule), True, None, "form")
    assert shown(schedule, 2) == told and fresh(schedule).paused_until is None
    assert AuditEntry.objects.filter(action="resume").count() == 1


def test_a_pause_that_has_passed_or_leaves_no_run_is_refused():
    schedule = make_schedule(end="2030-01-01T00:00")
    before = fresh(schedule).next_run_at
    for until, text in ((timezone.now(), "has passed"), (timezone.now() + timedelta(days=3650), "no run left")):
        with pytest.raises(Refused, match=text) as refused:
            pause_until(fresh(schedule), until, None, "form")
        assert set(refused.value.errors) == {"paused_until"}
    assert (fresh(schedule).paused_until, fresh(schedule).next_run_at) == (None, before)


# --- intervals keep their beat


def test_an_interval_keeps_its_beat_when_other_things_are_changed():
    schedule = every_minute()
    task = PeriodicTask.objects.get()
    task.description = "later than it was made"
    task.save()
    told = shown(schedule, 4)
    for moment in told:
        assert fire.fire_due(moment) == 1
    assert slots() == told and {after - before for before, after in pairwise(told)} == {MINUTE}
