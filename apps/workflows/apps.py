"""Django's configuration of this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WorkflowsConfig(AppConfig):
    name = "apps.workflows"
    verbose_name = _("Workflows")
