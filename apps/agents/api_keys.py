"""The further keys of connections over HTTP."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.idempotency import idempotent
from apps.accounts.pages import person_of
from apps.agents import actions
from apps.agents.api import find_connection
from apps.agents.models import ConnectionKey
from apps.agents.serializers import (
    ConnectionKeyChangesSerializer,
    ConnectionKeySerializer,
    NewConnectionKeySerializer,
)
from orchestra.api import IDEMPOTENCY_KEY, PagedView


class ConnectionKeysView(PagedView):
    """The further keys of a connection."""

    @extend_schema(operation_id="connections_keys", responses=ConnectionKeySerializer(many=True))
    def get(self, request: Request, connection_id: UUID) -> Response:
        return self.page(find_connection(request, connection_id).keys.all(), ConnectionKeySerializer)

    @extend_schema(
        operation_id="connections_add_key",
        parameters=[IDEMPOTENCY_KEY],
        request=NewConnectionKeySerializer,
        responses={201: ConnectionKeySerializer},
    )
    @idempotent
    def post(self, request: Request, connection_id: UUID) -> Response:
        connection = find_connection(request, connection_id)
        given = editor_body(NewConnectionKeySerializer, request, connection.team_id)
        made = actions.add_key(connection=connection, by=person_of(request), **given)
        return Response(ConnectionKeySerializer(made).data, status=201)


class ConnectionKeyView(APIView):
    """One further key."""

    @extend_schema(
        operation_id="connections_update_key",
        request=ConnectionKeyChangesSerializer,
        responses=ConnectionKeySerializer,
    )
    def patch(self, request: Request, connection_id: UUID, key_id: UUID) -> Response:
        key = _find(request, connection_id, key_id)
        given = editor_body(ConnectionKeyChangesSerializer, request, key.connection.team_id)
        return Response(
            ConnectionKeySerializer(actions.update_key(key=key, by=person_of(request), **given)).data
        )

    @extend_schema(operation_id="connections_remove_key", request=None, responses={204: None})
    def delete(self, request: Request, connection_id: UUID, key_id: UUID) -> Response:
        actions.remove_key(key=_find(request, connection_id, key_id), by=person_of(request))
        return Response(status=204)


def _find(request: Request, connection_id: UUID, key_id: UUID) -> ConnectionKey:
    return get_object_or_404(find_connection(request, connection_id).keys, pk=key_id)
