"""Where webhooks are delivered: no login, no cookie, a signature instead."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.triggers.actions.hooks import MAX_BODY, take_delivery
from apps.triggers.models import Firing, FiringStatus
from apps.triggers.serializers import FiredSerializer
from orchestra.api import TooLarge


class HookView(APIView):
    """Deliver to a webhook, signed as Standard Webhooks says (`webhook-id`, `-timestamp`, `-signature`).

    202 with the run; the same `webhook-id` again answers with the same run. 401 for what is not signed with the
    webhook's secret, is older than five minutes, or goes to a webhook that does not exist.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = ()  # the signature is over the bytes

    @extend_schema(
        operation_id="hooks_deliver",
        auth=[],
        request={"application/json": {}},
        responses={202: FiredSerializer, 200: FiredSerializer, 422: FiredSerializer},
    )
    def post(self, request: Request, public_id: str) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = read_body(request._request)
        firing = take_delivery(public_id, headers=headers, query=request.query_params.dict(), body=body)
        return Response(FiredSerializer(answer_of(firing)).data, status=_STATUS[FiringStatus(firing.status)])


def read_body(stream: Any) -> bytes:
    """Return a body of at most 1 MiB. Raises TooLarge, without reading on."""
    raw: bytes = stream.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY:
        raise TooLarge(f"A delivery may have at most {MAX_BODY // 1024} KiB.")
    return raw


def answer_of(firing: Firing) -> dict[str, Any]:
    """Return what the sender learns of a firing."""
    status = firing.run.status if firing.run is not None else firing.status
    return {"id": firing.run_id, "firing": firing.pk, "status": status, "detail": firing.detail}


_STATUS = {
    FiringStatus.STARTED: 202,
    FiringStatus.QUEUED: 202,
    FiringStatus.SKIPPED: 200,
    FiringStatus.REFUSED: 422,
}
