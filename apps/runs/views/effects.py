"""A person's word about an effect whose outcome nobody knows, given on the node's panel."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.runs.actions import decide_effect
from apps.runs.views.page import find_run
from apps.workflows.views.guards import person, signed_in
from orchestra.errors import Conflict, InvalidInput


@require_POST
@signed_in
def decide(request: HttpRequest, run_id: UUID, path: str) -> HttpResponse:
    """Take the word and go back to the node."""
    run = find_run(request, run_id)
    try:
        output = _output(request.POST.get("output", ""))
        decision = request.POST.get("decision", "")
        decide_effect(run=run, path=path, decision=decision, output=output, by=person(request))
    except ValueError:
        messages.error(request, _("The result is not JSON: nothing was changed."))
    except InvalidInput as error:
        messages.error(request, " ".join(problem.message for problem in error.problems))
    except Conflict:
        messages.info(request, _("Somebody has decided this already, or the run has ended."))
    else:
        messages.success(request, _("Your decision is noted."))
    return redirect(f"{reverse('runs:detail', args=[run_id])}?{urlencode({'node': path})}")


def _output(text: str) -> Any:
    """Return the JSON that was typed, null for nothing. Raises ValueError."""
    return json.loads(text) if text.strip() else None
