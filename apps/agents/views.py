"""Pages about agents and connections."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def page(request: HttpRequest, **arguments: object) -> HttpResponse:
    return render(request, "portal/home.html")


agent_list = agent_create = agent_edit = agent_delete = page
connection_list = connection_create = connection_edit = connection_test = connection_delete = page
