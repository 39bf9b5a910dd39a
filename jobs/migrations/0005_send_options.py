from django.db import migrations, models


class Migration(migrations.Migration):
    """What a job's message says beside its arguments: headers, expires, exchange, routing key."""

    dependencies = [("jobs", "0004_login_counts")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="send_options",
            field=models.JSONField(
                blank=True, db_default=models.Value({}, output_field=models.JSONField()), default=dict
            ),
        )
    ]
