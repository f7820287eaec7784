import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tools_app', '0005_passages'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Tool',
            fields=[
                ('name', models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name='tool')),
                ('enabled', models.BooleanField(default=True, help_text='Off: conversations that start from now on do not have it; running ones keep it.')),
                ('note', models.CharField(blank=True, help_text='For other operators: why it is off.', max_length=300)),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='changed')),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.RemoveIndex(
            model_name='toolcall',
            name='toolcall_name_newest',
        ),
        migrations.AddIndex(
            model_name='toolcall',
            index=models.Index(fields=['name', '-started_at', 'status', 'duration_ms'], name='toolcall_name_newest'),
        ),
        migrations.AddField(
            model_name='tool',
            name='updated_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='changed by'),
        ),
    ]
