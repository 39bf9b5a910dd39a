from django.db import migrations

from jobs.browse import search


class Migration(migrations.Migration):
    """The full text index; jobs/browse/search.py says what it is on either database."""

    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: search.install(schema_editor.connection),
            lambda apps, schema_editor: search.uninstall(schema_editor.connection),
        )
    ]
