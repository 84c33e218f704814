"""What errors say by default, for the catalogue of translations: the core speaks English and knows no languages."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

SENTENCES = frozenset(
    {
        _("A limit is reached; try again later."),
        _("A request with this Idempotency-Key is still running; ask again in a moment."),
        _("A service this needs cannot be reached; it is tried again."),
        _("A team needs an owner: make somebody else one first."),
        _("An expression could not be evaluated."),
        _("An item of the map failed."),
        _("Somebody changed this since you read it; read it again and repeat the change."),
        _("Something in this installation went wrong; its log says what."),
        _("Something went wrong."),
        _("The agent or connection is switched off."),
        _("The address is not allowed: it leads inside this installation's network."),
        _("The answer does not have the shape that was asked for."),
        _("The budget is spent."),
        _("The call did not end in time."),
        _("The called service cannot be reached or answered with an error of its own."),
        _("The function or service says that the call failed."),
        _("The input does not fit what this asks for; each problem is listed with its path."),
        _("The message broker cannot be reached; nothing is lost, it is sent when the broker is back."),
        _("The model did not answer in time."),
        _("The model's provider cannot be reached or answered with an error of its own."),
        _("The node failed."),
        _("The node's output is larger than a node may keep."),
        _("The node's worker was lost several times while it ran; it is kept from taking more workers down."),
        _("The outside world did not answer as it should; trying again may help."),
        _("The provider asks for a pause."),
        _("The provider refuses the key."),
        _("The provider refuses the request."),
        _("The request cannot be understood."),
        _("The request is larger than this accepts."),
        _("The workflow definition has problems; each is listed with its path."),
        _("The provider does not serve this model here, or not any more to this key; another target may."),
        _("The stored secret cannot be read: the key that encrypted it is not among FIELD_KEYS."),
        _("There were too many failed logins; try again later."),
        _("This Idempotency-Key was used for another request; use a new key."),
        _("This invitation is used, withdrawn or too old; ask for a new one."),
        _("This is not in a state that allows that."),
        _("Trying again with the same settings would fail again."),
        _("What the map should go over is not a list, or it is too long."),
        _("You are in no team yet; ask for an invitation or make a team."),
        _("You are in this team already."),
        _("Your role in this team does not allow this."),
    }
)
