"""Django's configuration of this app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ToolsConfig(AppConfig):
    name = "apps.tools"
    verbose_name = _("Tools")

    def ready(self) -> None:
        """Tell the forms of agents which tools there are."""
        import_module("apps.agents.offered").offer(import_module("apps.tools.registry").names_of)
