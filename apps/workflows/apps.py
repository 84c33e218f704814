"""Django's configuration of this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from orchestra.engine import plugins


class WorkflowsConfig(AppConfig):
    name = "apps.workflows"
    verbose_name = _("Workflows")

    def ready(self) -> None:
        """Take in the kinds that installed packages bring, in whichever process this is."""
        plugins.load()
