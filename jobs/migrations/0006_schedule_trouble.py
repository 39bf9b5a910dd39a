from django.db import migrations, models


class Migration(migrations.Migration):
    """Why a schedule cannot start its runs, and what the code says that it comes from."""

    dependencies = [
        ("jobs", "0005_send_options"),
    ]

    operations = [
        migrations.AddField(
            model_name="schedule",
            name="call",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="schedule",
            name="code",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="schedule",
            name="trouble",
            field=models.TextField(blank=True, db_default=""),
        ),
    ]
