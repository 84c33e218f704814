"""Django's configuration of the workers: no models, only commands that start and look after processes."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
    label = "workers"
