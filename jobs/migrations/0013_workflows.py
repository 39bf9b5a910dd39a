import django.db.models.deletion
import django.utils.timezone
import jobs.models.job
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0012_views_and_ignored_failures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Edge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField(default=0)),
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
            ],
        ),
        migrations.RemoveIndex(
            model_name="job",
            name="job_held",
        ),
        migrations.AddField(
            model_name="job",
            name="blocked",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="job",
            name="rerun_of",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="reruns",
                to="jobs.job",
            ),
        ),
        migrations.AlterField(
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
        migrations.AddField(
            model_name="edge",
            name="after",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="edges_before", to="jobs.job"
            ),
        ),
        migrations.AddField(
            model_name="edge",
            name="before",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="edges_after", to="jobs.job"
            ),
        ),
        migrations.AddField(
            model_name="workflow",
            name="owner",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
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
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("rerun_of__isnull", False)), fields=["rerun_of"], name="job_rerun_of"
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
        migrations.AddConstraint(
            model_name="edge",
            constraint=models.UniqueConstraint(fields=("after", "before"), name="edge_once"),
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
    ]
