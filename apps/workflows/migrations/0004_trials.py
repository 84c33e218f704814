from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0003_names"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="workflowversion", name="version_number_unique"),
        migrations.AddConstraint(
            model_name="workflowversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("number__gt", 0)),
                fields=("workflow", "number"),
                name="version_number_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="workflowversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("number", 0)), fields=("workflow", "digest"), name="version_trial_unique"
            ),
        ),
    ]
