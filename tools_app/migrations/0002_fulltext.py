from django.db import migrations


class Migration(migrations.Migration):
    """Indexed whole documents; 0005_passages indexes passages in their place."""

    dependencies = [("tools_app", "0001_initial")]
    operations = []
