from django.db import migrations

from tools_app.fulltext import install, uninstall


class Migration(migrations.Migration):
    dependencies = [("tools_app", "0001_initial")]
    operations = [migrations.RunPython(install, uninstall)]
