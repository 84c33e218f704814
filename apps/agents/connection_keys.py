"""Further keys of a connection, each with a weight: calls are spread over them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orchestra.ids import new_id


class ConnectionKey(models.Model):
    """A key beside the connection's own secret, for the same provider and address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    connection = models.ForeignKey(
        "agents.Connection", models.CASCADE, related_name="keys", verbose_name=_("connection")
    )
    name = models.CharField(_("name"), max_length=80)
    secret = models.TextField(editable=False)
    secret_hint = models.CharField(_("secret"), max_length=8, blank=True, editable=False)
    weight = models.FloatField(_("weight"), default=1.0)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("key of a connection")
        verbose_name_plural = _("keys of connections")
        ordering = ["created_at"]
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="connection_key_unique")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"
