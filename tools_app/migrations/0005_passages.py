import django.db.models.deletion
from django.db import migrations, models

from tools_app.fulltext import install, uninstall


class Migration(migrations.Migration):
    """Existing documents are cut into passages by the first search."""

    dependencies = [("tools_app", "0004_metric")]
    operations = [
        migrations.AlterField(
            "KnowledgeDocument", "text", models.TextField(help_text="Markdown or plain text.")
        ),
        migrations.CreateModel(
            name="KnowledgePassage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=200)),
                ("heading", models.CharField(help_text="The headings above it.", max_length=500)),
                ("text", models.TextField()),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="passages",
                        to="tools_app.knowledgedocument",
                    ),
                ),
            ],
            options={
                "ordering": ("document", "position"),
                "constraints": [models.UniqueConstraint(fields=("document", "position"), name="passage_position")],
            },
        ),
        migrations.RunPython(install, uninstall),
    ]
