import django.db.models.deletion
import django.utils.timezone
import jobs.core.states
import jobs.models.artifact
import jobs.models.job
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("django_celery_beat", "0019_alter_periodictasks_options"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("seq", models.BigAutoField(primary_key=True, serialize=False)),
                ("id", models.CharField(default=jobs.models.job.new_id, max_length=255, unique=True)),
                ("kind", models.CharField(max_length=255)),
                ("is_kind", models.BooleanField(default=True)),
                ("title", models.CharField(max_length=200)),
                (
                    "via",
                    models.CharField(
                        choices=[
                            ("form", "a form"),
                            ("api", "the API"),
                            ("cli", "the command line"),
                            ("schedule", "a schedule"),
                            ("rerun", "a rerun"),
                            ("import", "an import"),
                            ("celery", "Celery code"),
                        ],
                        default="form",
                        max_length=8,
                    ),
                ),
                ("queue", models.CharField(max_length=100)),
                ("priority", models.SmallIntegerField(default=6)),
                ("params", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PENDING", "PENDING"),
                            ("STARTED", "STARTED"),
                            ("RETRY", "RETRY"),
                            ("FAILURE", "FAILURE"),
                            ("REVOKED", "REVOKED"),
                            ("SUCCESS", "SUCCESS"),
                        ],
                        default=jobs.core.states.State["PENDING"],
                        max_length=8,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=1)),
                ("max_attempts", models.PositiveIntegerField(default=1)),
                ("first_attempt", models.PositiveIntegerField(default=1)),
                ("assumed", models.BooleanField(default=False)),
                ("worker", models.CharField(blank=True, max_length=255)),
                ("outcome", models.CharField(blank=True, max_length=300)),
                ("error_type", models.CharField(blank=True, max_length=200)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("signature", models.CharField(blank=True, max_length=200)),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("changed", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_check_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("slot", models.DateTimeField(blank=True, null=True)),
                ("blocked", models.BooleanField(default=False)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("idempotency_hash", models.CharField(blank=True, max_length=64)),
                ("unique_key", models.CharField(blank=True, max_length=255, null=True)),
                ("search", models.TextField(blank=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="jobs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rerun_of",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reruns",
                        to="jobs.job",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("holder", models.CharField(max_length=64)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("received", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("sender", models.CharField(max_length=320)),
                ("recipients", models.TextField()),
                ("subject", models.CharField(blank=True, max_length=500)),
                ("message_id", models.CharField(blank=True, max_length=320)),
                ("job_id", models.CharField(blank=True, db_index=True, max_length=255)),
                ("source", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("hash", models.CharField(max_length=64, unique=True)),
                (
                    "scope",
                    models.CharField(
                        choices=[("read", "read"), ("write", "write"), ("admin", "admin")],
                        default="write",
                        max_length=5,
                    ),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_used", models.DateTimeField(blank=True, null=True)),
                ("expires", models.DateTimeField(blank=True, null=True)),
                ("revoked", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ChosenColumns",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("columns", models.JSONField(default=list)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="IgnoredFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("signature", models.CharField(max_length=200, unique=True)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="step",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("template", models.JSONField(default=dict)),
                ("immutable", models.BooleanField(default=False)),
                ("each", models.CharField(blank=True, max_length=200)),
                ("made", models.PositiveIntegerField(default=0)),
                ("gathers", models.BooleanField(default=False)),
                (
                    "needs",
                    models.CharField(
                        choices=[
                            ("all", "all steps before it have succeeded"),
                            ("some", "all steps before it have ended, and some have succeeded"),
                        ],
                        default="all",
                        max_length=4,
                    ),
                ),
                ("is_named", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("action", models.CharField(max_length=40)),
                ("target", models.CharField(blank=True, max_length=200)),
                ("via", models.CharField(blank=True, max_length=8)),
                ("detail", models.JSONField(default=dict)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="audit", to="jobs.job"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("next_run_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("slot", models.DateTimeField(blank=True, null=True)),
                (
                    "overlap",
                    models.CharField(
                        choices=[
                            ("allow", "start beside it"),
                            ("skip", "leave the run out"),
                            ("queue", "hold one run back until it has ended"),
                        ],
                        default="allow",
                        max_length=5,
                    ),
                ),
                (
                    "misfire",
                    models.CharField(
                        choices=[
                            ("once", "run once, late"),
                            ("skip", "skip what was missed"),
                            ("all", "make up for all, up to a limit"),
                        ],
                        default="once",
                        max_length=4,
                    ),
                ),
                ("misfire_limit", models.PositiveSmallIntegerField(default=10)),
                ("jitter", models.PositiveIntegerField(default=0)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("skipped", models.DateTimeField(blank=True, null=True)),
                ("held", models.DateTimeField(blank=True, null=True)),
                ("left_out", models.PositiveIntegerField(default=0)),
                ("rule", models.CharField(blank=True, max_length=64)),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "task",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="jobsite",
                        to="django_celery_beat.periodictask",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="job",
            name="schedule",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="jobs",
                to="jobs.schedule",
            ),
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.CharField(max_length=320, unique=True)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "added_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Throughput",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute", models.DateTimeField()),
                ("queue", models.CharField(max_length=100)),
                ("entered", models.PositiveIntegerField(default=0)),
                ("finished", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name_plural": "throughput",
                "constraints": [models.UniqueConstraint(fields=("minute", "queue"), name="throughput_minute")],
            },
        ),
        migrations.CreateModel(
            name="Timing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute", models.DateTimeField()),
                ("measure", models.CharField(max_length=4)),
                ("bucket", models.SmallIntegerField()),
                ("number", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("minute", "measure", "bucket"), name="timing_minute")],
            },
        ),
        migrations.CreateModel(
            name="Workflow",
            fields=[
                (
                    "id",
                    models.CharField(default=jobs.models.job.new_id, max_length=255, primary_key=True, serialize=False),
                ),
                ("title", models.CharField(max_length=200)),
                (
                    "via",
                    models.CharField(
                        choices=[
                            ("form", "a form"),
                            ("api", "the API"),
                            ("cli", "the command line"),
                            ("schedule", "a schedule"),
                            ("rerun", "a rerun"),
                            ("import", "an import"),
                            ("celery", "Celery code"),
                        ],
                        default="form",
                        max_length=8,
                    ),
                ),
                ("is_canvas", models.BooleanField(default=False)),
                (
                    "on_failure",
                    models.CharField(
                        choices=[
                            ("end", "end the whole workflow"),
                            ("skip", "skip what depends on it, and go on with the rest"),
                        ],
                        default="end",
                        max_length=4,
                    ),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                ("idempotency_key", models.CharField(blank=True, max_length=255, null=True)),
                ("idempotency_hash", models.CharField(blank=True, max_length=64)),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="job",
            name="workflow",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="jobs",
                to="jobs.workflow",
            ),
        ),
        migrations.CreateModel(
            name="Incident",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("task", models.CharField(blank=True, max_length=255)),
                ("worker", models.CharField(max_length=255)),
                ("at", models.DateTimeField()),
                ("seconds", models.FloatField()),
                ("where", models.CharField(max_length=300)),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="incidents", to="jobs.job"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["task", "at"], name="incident_task")],
            },
        ),
        migrations.CreateModel(
            name="Edge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "after",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="edges_before",
                        to="jobs.job",
                    ),
                ),
                (
                    "before",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="edges_after", to="jobs.job"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("after", "before"), name="edge_once")],
            },
        ),
        migrations.CreateModel(
            name="CanvasLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("after", models.CharField(max_length=255)),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "before",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="jobs.job"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("after", "before"), name="canvas_link_once")],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PENDING", "PENDING"),
                            ("STARTED", "STARTED"),
                            ("RETRY", "RETRY"),
                            ("LOST", "LOST"),
                            ("FAILURE", "FAILURE"),
                            ("REVOKED", "REVOKED"),
                            ("SUCCESS", "SUCCESS"),
                        ],
                        max_length=8,
                    ),
                ),
                ("worker", models.CharField(blank=True, max_length=255)),
                ("pid", models.PositiveIntegerField(null=True)),
                ("queued_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("next_retry_at", models.DateTimeField(null=True)),
                ("error_type", models.CharField(blank=True, max_length=200)),
                ("error", models.TextField(blank=True)),
                ("traceback", models.TextField(blank=True)),
                ("memory", models.BigIntegerField(null=True)),
                ("cpu_seconds", models.FloatField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [models.UniqueConstraint(fields=("job", "number"), name="attempt_number")],
            },
        ),
        migrations.CreateModel(
            name="Artifact",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=jobs.models.artifact.new_artifact_id, max_length=32, primary_key=True, serialize=False
                    ),
                ),
                ("is_input", models.BooleanField(default=False)),
                ("attempt", models.PositiveIntegerField(null=True)),
                ("name", models.CharField(max_length=255)),
                ("content_type", models.CharField(blank=True, max_length=100)),
                ("size", models.BigIntegerField()),
                ("path", models.CharField(max_length=500)),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="artifacts", to="jobs.job"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["created"], name="artifact_created"),
                    models.Index(fields=["path"], name="artifact_path"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=320)),
                ("state", models.CharField(max_length=20)),
                ("note", models.CharField(blank=True, max_length=500)),
                ("at", models.DateTimeField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ledger",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "constraints": [models.UniqueConstraint(fields=("job", "key"), name="ledger_key")],
            },
        ),
        migrations.CreateModel(
            name="LogLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempt", models.PositiveIntegerField()),
                ("event", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
                ("text", models.TextField()),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="log", to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [models.UniqueConstraint(fields=("job", "event"), name="log_event_once")],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(max_length=4000)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "name"), name="view_name")],
            },
        ),
        migrations.AddIndex(
            model_name="schedule",
            index=models.Index(condition=models.Q(("held__isnull", False)), fields=["held"], name="schedule_held"),
        ),
        migrations.AddIndex(
            model_name="workflow",
            index=models.Index(fields=["-created"], name="workflow_newest"),
        ),
        migrations.AddIndex(
            model_name="workflow",
            index=models.Index(fields=["owner", "-created"], name="workflow_owner"),
        ),
        migrations.AddConstraint(
            model_name="workflow",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("owner", "idempotency_key"),
                name="workflow_one_per_key",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["-created", "-seq"], name="job_newest"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["state", "-created", "-seq"], name="job_state"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["kind", "state", "-created", "-seq"], name="job_kind_state"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["owner", "state", "-created", "-seq"], name="job_owner_state"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["queue", "-created", "-seq"], name="job_queue"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["kind", "-created", "-seq"], name="job_kind"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["owner", "-created", "-seq"], name="job_owner"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("rerun_of__isnull", False)), fields=["rerun_of"], name="job_rerun_of"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("schedule__isnull", False)), fields=["schedule", "-seq"], name="job_schedule"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("schedule__isnull", False)), fields=["schedule", "state"], name="job_schedule_state"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("workflow__isnull", False)), fields=["workflow", "state"], name="job_workflow"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("blocked", False),
                    ("next_check_at__isnull", True),
                    ("published_at__isnull", True),
                    ("state", "PENDING"),
                ),
                fields=["kind", "priority", "seq"],
                name="job_held",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("next_check_at__isnull", False)), fields=["next_check_at"], name="job_next_check"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("signature", ""), _negated=True),
                fields=["-finished_at", "signature", "kind", "seq"],
                name="job_failures",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("signature", ""), _negated=True),
                fields=["signature", "-finished_at"],
                name="job_signature",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["PENDING", "STARTED", "RETRY"])),
                fields=["changed"],
                name="job_moving",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["PENDING", "STARTED", "RETRY"]), ("unique_key__isnull", False)),
                fields=("kind", "unique_key"),
                name="job_one_unfinished_per_unique_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("slot__isnull", False)), fields=("schedule", "slot"), name="job_one_per_slot"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("owner", "idempotency_key"),
                name="job_one_per_key",
            ),
        ),
    ]
