from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0014_canvas_links'),
    ]

    operations = [
        migrations.AddField(
            model_name='step',
            name='made',
            field=models.PositiveIntegerField(default=0),
        ),
    ]
