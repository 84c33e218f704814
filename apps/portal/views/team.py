"""Pages of team."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def page(request: HttpRequest, **arguments: object) -> HttpResponse:
    return render(request, "portal/home.html")


profile = avatar = security = end_session = keys = revoke_key = page
members = create = invite_person = withdraw = set_role = remove = page
