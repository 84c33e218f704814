"""Forms of agents and connections; what they clean is what the actions take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team
from apps.agents.models import Agent, Connection, Dialect
from apps.agents.offered import offered_tools
from apps.agents.routes import read_fallbacks, read_members, write_fallbacks, write_members
from orchestra.errors import InvalidInput
from orchestra.llm.balance import ROUND_ROBIN


class ProblemsMixin(forms.BaseForm):
    """Shows what an action found wrong beside the fields."""

    def add_problems(self, error: InvalidInput) -> None:
        """Put each problem at its field, or at the top of the form when it has none."""
        for problem in error.problems:
            field = problem.path.partition(".")[0]
            self.add_error(field if field in self.fields else None, problem.message)


ADDRESS_HELP: Mapping[str, Any] = {
    Dialect.OPENAI: _("Leave empty for OpenAI's own. Ends in /v1 at most providers."),
    Dialect.RESPONSES: _("Leave empty for OpenAI's own. Ends in /v1."),
    Dialect.ANTHROPIC: _("Leave empty for Anthropic's own. Ends in /v1."),
    Dialect.GEMINI: _("Leave empty for Google's own. Ends in /v1beta."),
    Dialect.OLLAMA: _(
        "Host and port without a path. Inside this network an operator has to allow them "
        "(ORCHESTRA_ALLOWED_HOSTS_OUT)."
    ),
}
SECRET_HELP: Mapping[str, Any] = {
    Dialect.GEMINI: _("The API key, as Google AI Studio shows it."),
    Dialect.OLLAMA: _("Not needed for a plain Ollama; a gateway in front of it may ask for one."),
}
NEEDS_MODEL = _("Used where neither node nor agent names a model. Test the connection to see what it offers.")


STRATEGY_CHOICES = (
    ("", _("In turn, by weight")),
    ("weighted", _("By chance and weight")),
    ("latency", _("Lowest latency")),
    ("resource", _("Fewest calls under way")),
    ("hash", _("Each user at one place")),
)


class ConnectionForm(ProblemsMixin, forms.Form):
    """A connection. The secret is never shown: an empty field keeps the stored one."""

    name = forms.CharField(label=_("Name"), max_length=80)
    dialect = forms.ChoiceField(label=_("Dialect"), choices=Dialect)
    base_url = forms.URLField(
        label=_("Base URL"),
        max_length=500,
        required=False,
        assume_scheme="https",
    )
    secret = forms.CharField(
        label=_("Secret"),
        max_length=4096,
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    forget_secret = forms.BooleanField(label=_("Remove the stored secret"), required=False)
    default_model = forms.CharField(label=_("Default model"), max_length=120, required=False)
    fallbacks = forms.CharField(
        label=_("Fallbacks"),
        required=False,
        help_text=_(
            "Tried in this order when it is away, separated by commas: spare, spare/model, /other-model, "
            "this-model: spare."
        ),
    )
    members = forms.CharField(
        label=_("Members"),
        required=False,
        help_text=_(
            "Short names of connections, separated by commas; with weights and models: east*2, west/model."
        ),
    )
    strategy = forms.ChoiceField(
        label=_("Strategy"),
        required=False,
        choices=STRATEGY_CHOICES,
        help_text=_("How calls are spread over the members, or over the keys."),
    )
    options = forms.JSONField(
        label=_("Options"),
        required=False,
        initial=dict,
        help_text=_(
            "Limits that all workers keep: requests_per_minute, tokens_per_minute, concurrency. Also retries, "
            "idle_seconds, breaker_failures, breaker_seconds, cache_seconds, prices, headers, body."
        ),
    )
    is_default = forms.BooleanField(label=_("Default of the team"), required=False)
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(self, *args: Any, connection: Connection | None = None, **kwargs: Any) -> None:
        if connection is not None:
            kwargs.setdefault(
                "initial", _initial(connection, CONNECTION_FIELDS) | _routes_of(connection.options)
            )
        super().__init__(*args, **kwargs)
        dialect = str(self["dialect"].value())
        self.fields["base_url"].help_text = ADDRESS_HELP.get(dialect, "")
        self.fields["secret"].help_text = SECRET_HELP.get(dialect, "")
        self.fields["default_model"].help_text = NEEDS_MODEL
        if connection is None or not connection.secret:
            del self.fields["forget_secret"]
        else:
            hint = f"••••{connection.secret_hint}"
            self.fields["secret"].help_text = _("Stored: %(hint)s. Leave empty to keep it.") % {"hint": hint}

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `create_connection` and `update_connection`."""
        found = dict(self.cleaned_data)
        routes = {
            "fallbacks": read_fallbacks(found.pop("fallbacks")),
            "members": read_members(found.pop("members")),
            "strategy": found.pop("strategy"),
        }
        found["options"] = (found.get("options") or {}) | {
            key: value for key, value in routes.items() if value
        }
        is_forgotten = found.pop("forget_secret", False)
        if not found["secret"] and not is_forgotten:
            del found["secret"]
        return found


class KeyForm(forms.Form):
    """A further key of a connection."""

    name = forms.CharField(label=_("Name"), max_length=80)
    secret = forms.CharField(
        label=_("Secret"),
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    weight = forms.FloatField(
        label=_("Weight"),
        initial=1,
        min_value=0.01,
        help_text=_("2: twice the calls of a key with 1."),
    )


class SchemaField(forms.JSONField):
    """JSON that may be left out: nothing is shown as nothing, not as `null`."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class AgentForm(ProblemsMixin, forms.Form):
    """An agent. Temperature, tools and limits are options of its own; an empty field leaves the option out."""

    name = forms.CharField(label=_("Name"), max_length=80)
    description = forms.CharField(
        label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    instructions = forms.CharField(
        label=_("Instructions"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_("Put before the prompt of every node that asks this agent."),
    )
    connection = forms.ModelChoiceField(
        label=_("Connection"),
        queryset=Connection.objects.none(),
        required=False,
        empty_label=_("Default of the team"),
    )
    model = forms.CharField(
        label=_("Model"),
        max_length=120,
        required=False,
        help_text=_("Empty: the connection's default model."),
    )
    temperature = forms.FloatField(label=_("Temperature"), min_value=0, max_value=2, required=False)
    max_tokens = forms.IntegerField(label=_("Longest answer, in tokens"), min_value=1, required=False)
    capabilities = forms.CharField(
        label=_("Capabilities"),
        required=False,
        help_text=_("Separated by commas: “translate;languages=de|fr, summarise”."),
    )
    tools = forms.MultipleChoiceField(
        label=_("Tools"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What it may call where a node names no tools: functions, the team's tools, MCP tools."),
    )
    approve = forms.MultipleChoiceField(
        label=_("Ask before"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A person has to allow each call of these, with its very arguments, in every workflow."),
    )
    max_steps = forms.IntegerField(
        label=_("Steps at most"),
        min_value=1,
        max_value=50,
        required=False,
        help_text=_("One step is one answer of the model and the calls it asks for. Empty: 10."),
    )
    max_cost = forms.FloatField(
        label=_("Cost at most"),
        min_value=0,
        max_value=1_000_000,
        required=False,
        help_text=_("For one task, in the installation's currency."),
    )
    timeout = forms.FloatField(
        label=_("Time at most, in seconds"),
        min_value=1,
        max_value=86_400,
        required=False,
        help_text=_(
            "Of one attempt, without the time in which a person decides. A node's own limit goes first."
        ),
    )
    schema = SchemaField(
        label=_("Schema of the answer"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=_("A JSON Schema: the answer is then JSON that fits it. Empty: text."),
    )
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(self, *args: Any, team: Team, agent: Agent | None = None, **kwargs: Any) -> None:
        if agent is not None:
            initial = _initial(agent, AGENT_FIELDS) | dict(agent.options)
            initial["capabilities"] = ", ".join(agent.capabilities)
            kwargs.setdefault("initial", initial)
        super().__init__(*args, **kwargs)
        choices = self.fields["connection"]
        assert isinstance(choices, forms.ModelChoiceField)  # noqa: S101 - tells the type checker what stands above
        choices.queryset = Connection.objects.filter(team=team)
        names = offered_tools(team.pk)
        for field in TOOL_FIELDS:
            kept = agent.options.get(field, []) if agent is not None else []
            gone = [(name, _("%(tool)s (gone)") % {"tool": name}) for name in kept if name not in names]
            self.fields[field].choices = [*((name, name) for name in names), *gone]  # type: ignore[attr-defined]  # a MultipleChoiceField

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `create_agent` and `update_agent`."""
        found = dict(self.cleaned_data)
        options = {key: found.pop(key) for key in OPTION_FIELDS}
        found["options"] = {key: value for key, value in options.items() if value not in (None, [])}
        found["capabilities"] = [word.strip() for word in found["capabilities"].split(",") if word.strip()]
        return found


TOOL_FIELDS = ("tools", "approve")
OPTION_FIELDS = ("temperature", "max_tokens", *TOOL_FIELDS, "max_steps", "max_cost", "timeout", "schema")
CONNECTION_FIELDS = ("name", "dialect", "base_url", "default_model", "is_default", "is_enabled")
AGENT_FIELDS = ("name", "description", "instructions", "connection", "model", "is_enabled")


def _initial(row: Agent | Connection, fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: getattr(row, field) for field in fields}


def _routes_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the initial values of the fields that stand for options, and of the options that have no field."""
    strategy = options.get("strategy") or ""
    return {
        "fallbacks": write_fallbacks(options.get("fallbacks") or ()),
        "members": write_members(options.get("members") or ()),
        "strategy": "" if strategy == ROUND_ROBIN else strategy,
        "options": {
            key: value for key, value in options.items() if key not in ("fallbacks", "members", "strategy")
        },
    }
