"""Forms of tools and their servers; what they clean is what the actions take."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.agents.forms import ProblemsMixin
from apps.tools.models import Policy, ServerKind, ToolKind, ToolRow, ToolServer

SECRET = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})


class ImportForm(ProblemsMixin, forms.Form):
    """An OpenAPI document, pasted or fetched."""

    document_url = forms.URLField(
        label=_("Address of the document"), max_length=500, required=False, assume_scheme="https"
    )
    document = forms.CharField(
        label=_("Or the document itself"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text=_("OpenAPI 3, as JSON or YAML."),
    )
    name = forms.CharField(
        label=_("Name"), max_length=80, required=False, help_text=_("Empty: the document's title.")
    )
    base_url = forms.URLField(
        label=_("Address of the service"),
        max_length=500,
        required=False,
        assume_scheme="https",
        help_text=_("Empty: the document's first server."),
    )
    secret = forms.CharField(label=_("Secret"), max_length=4096, required=False, widget=SECRET)
    secret_header = forms.CharField(
        label=_("Header of the secret"), max_length=80, required=False, initial="Authorization"
    )

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `import_openapi`."""
        found = dict(self.cleaned_data)
        found["secret_header"] = found["secret_header"] or "Authorization"
        return found


class WorkflowToolForm(ProblemsMixin, forms.Form):
    """A workflow that agents may call."""

    workflow = forms.SlugField(label=_("Workflow"), max_length=80, help_text=_("Its short name."))
    name = forms.CharField(
        label=_("Name"), max_length=60, required=False, help_text=_("Empty: made from the short name.")
    )
    title = forms.CharField(label=_("Title"), max_length=200, required=False)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What models are told of it: when to call it, and with what."),
    )
    policy = forms.ChoiceField(label=_("Policy"), choices=Policy, initial=Policy.ALLOW)
    is_served = forms.BooleanField(
        label=_("Offer it over MCP"),
        required=False,
        help_text=_("Programs with an API key of the team may call it at /mcp."),
    )

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `create_workflow_tool`."""
        return dict(self.cleaned_data)


class ToolForm(ProblemsMixin, forms.Form):
    """What people decide about a tool."""

    title = forms.CharField(label=_("Title"), max_length=200, required=False)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("What models are told of it."),
    )
    policy = forms.ChoiceField(label=_("Policy"), choices=Policy)
    is_safe = forms.BooleanField(
        label=_("Changes nothing"),
        required=False,
        help_text=_("A call may be repeated when nobody knows whether the first one arrived."),
    )
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False)
    is_served = forms.BooleanField(label=_("Offer it over MCP"), required=False)

    def __init__(self, *args: Any, tool: ToolRow, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {name: getattr(tool, name) for name in self.base_fields})
        super().__init__(*args, **kwargs)
        if tool.kind != ToolKind.WORKFLOW:
            del self.fields["is_served"]

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `update_tool`."""
        return dict(self.cleaned_data)


class ServerForm(ProblemsMixin, forms.Form):
    """A tool server. The secret is never shown: an empty field keeps the stored one."""

    name = forms.CharField(label=_("Name"), max_length=80)
    url = forms.URLField(label=_("Address"), max_length=500, required=False, assume_scheme="https")
    program = forms.ChoiceField(label=_("Program"), required=False)
    secret = forms.CharField(label=_("Secret"), max_length=4096, required=False, widget=SECRET)
    forget_secret = forms.BooleanField(label=_("Remove the stored secret"), required=False)
    secret_header = forms.CharField(label=_("Header of the secret"), max_length=80, required=False)
    calls_per_minute = forms.IntegerField(label=_("Calls per minute"), min_value=1, required=False)
    calls_per_day = forms.IntegerField(label=_("Calls per day"), min_value=1, required=False)
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(self, *args: Any, server: ToolServer | None = None, **kwargs: Any) -> None:
        if server is not None:
            names = [name for name in self.base_fields if "secret" not in name]
            initial = {name: getattr(server, name) for name in names}
            kwargs.setdefault("initial", {**initial, "secret_header": server.secret_header})
        super().__init__(*args, **kwargs)
        self._choose_place(server)
        if server is None or not server.secret:
            del self.fields["forget_secret"]
        elif "secret" in self.fields:
            hint = f"••••{server.secret_hint}"
            self.fields["secret"].help_text = _("Stored: %(hint)s. Leave empty to keep it.") % {"hint": hint}

    def _choose_place(self, server: ToolServer | None) -> None:
        """Leave the fields that make sense: programs only where the operator allows some."""
        programs = list(settings.ORCHESTRA_MCP_PROGRAMS)
        field = self.fields["program"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - tells the type checker what stands above
        field.choices = [("", _("None: it has an address")), *((name, name) for name in programs)]
        is_program = server is not None and server.kind == ServerKind.STDIO
        if not programs or (server is not None and not is_program):
            del self.fields["program"]
        if is_program:
            for name in ("url", "secret", "secret_header"):
                del self.fields[name]

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `create_server` and `update_server`."""
        found = dict(self.cleaned_data)
        is_forgotten = found.pop("forget_secret", False)
        if "secret_header" in found:
            found["secret_header"] = found["secret_header"] or "Authorization"
        if not found.get("secret") and not is_forgotten:
            found.pop("secret", None)
        return found


class TryForm(forms.Form):
    """Arguments for one call."""

    arguments = forms.JSONField(
        label=_("Arguments"),
        required=False,
        initial=dict,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )
