"""Conversations over HTTP. An answer is a run: it streams over `runs/{id}/events`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.models import Role, Team
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.agents.models import Agent
from apps.chat import actions
from apps.chat.models import Conversation, Message, MessageStatus
from apps.chat.serializers import (
    ConversationChangesSerializer,
    ConversationSerializer,
    EditSerializer,
    MessageSerializer,
    NewConversationSerializer,
    NewMessageSerializer,
    SaidSerializer,
    ShareSerializer,
    StoppedSerializer,
)
from apps.runs.models import Origin
from apps.workflows.models import Workflow
from orchestra.api import IDEMPOTENCY_KEY, TEAM, PagedView, checked
from orchestra.errors import InvalidInput, Problem


def find_conversation(request: Request, conversation_id: UUID) -> Conversation:
    """Return a conversation of the person. Raises Http404 for those of others."""
    mine = Conversation.objects.visible_to(person_of(request)).select_related("agent", "workflow", "team")
    found: Conversation = get_object_or_404(mine, pk=conversation_id)
    return found


def find_message(request: Request, conversation_id: UUID, message_id: UUID) -> Message:
    """Return a message of a conversation of the person. Raises Http404."""
    messages = find_conversation(request, conversation_id).messages.select_related("conversation__team")
    return get_object_or_404(messages, pk=message_id)


def said(message: Message) -> dict[str, Any]:
    """Return a message with the answer that is being written to it."""
    answer = message.conversation.messages.filter(status=MessageStatus.WRITING).first()
    is_its = answer is not None and answer.position == message.position + 1
    return dict(SaidSerializer({"message": message, "answer": answer if is_its else None}).data)


class ConversationsView(PagedView):
    """One's own conversations in a team."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="conversations_list", parameters=[TEAM], responses=ConversationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        mine = Conversation.objects.visible_to(person_of(request)).filter(team=active_team(request))
        return self.page(mine.select_related("agent", "workflow"), ConversationSerializer)

    @extend_schema(
        operation_id="conversations_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewConversationSerializer,
        responses={201: ConversationSerializer},
        description="With neither `agent` nor `workflow` the team's default model answers.",
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        require(person_of(request), team.pk, Role.OPERATOR)
        given = checked(NewConversationSerializer, request.data)
        for field, model in (("agent", Agent), ("workflow", Workflow)):
            if given.get(field) is not None:
                given[field] = _named(model, given[field], field, team)
        made = actions.start_conversation(team=team, by=person_of(request), **given)
        headers = {"Location": f"/api/v1/conversations/{made.pk}"}
        return Response(ConversationSerializer(made).data, status=201, headers=headers)


def _named(model: Any, slug: str, field: str, team: Team) -> Any:
    found = model.objects.filter(team=team, slug=slug).first()
    if found is None:
        raise InvalidInput(problems=[Problem(field, "unknown", f"There is no such {field}.")])
    return found


class ConversationView(APIView):
    """One conversation."""

    scope = Scope.RUN

    @extend_schema(operation_id="conversations_read", responses=ConversationSerializer)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        return Response(ConversationSerializer(find_conversation(request, conversation_id)).data)

    @extend_schema(
        operation_id="conversations_update",
        request=ConversationChangesSerializer,
        responses=ConversationSerializer,
    )
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        given = checked(ConversationChangesSerializer, request.data)
        changed = actions.change_conversation(conversation=found, by=person_of(request), **given)
        return Response(ConversationSerializer(changed).data)

    @extend_schema(operation_id="conversations_delete", request=None, responses={204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        actions.delete_conversation(conversation=found, by=person_of(request))
        return Response(status=204)


class MessagesView(PagedView):
    """What was said, newest first. An answer that was written anew is not among it."""

    scope = Scope.RUN

    @extend_schema(operation_id="messages_list", responses=MessageSerializer(many=True))
    def get(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        actions.settle_answer(found)
        return self.page(found.messages.filter(is_current=True), MessageSerializer)

    @extend_schema(
        operation_id="messages_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewMessageSerializer,
        responses={202: SaidSerializer},
    )
    @idempotent
    def post(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        given = checked(NewMessageSerializer, request.data)
        message = actions.send_message(conversation=found, origin=Origin.API, by=person_of(request), **given)
        return Response(said(message), status=202)


class RegenerateView(APIView):
    """Have the last answer written anew."""

    scope = Scope.RUN

    @extend_schema(operation_id="messages_regenerate", request=None, responses={202: MessageSerializer})
    def post(self, request: Request, conversation_id: UUID, message_id: UUID) -> Response:
        message = find_message(request, conversation_id, message_id)
        answer = actions.regenerate_answer(message=message, origin=Origin.API, by=person_of(request))
        return Response(MessageSerializer(answer).data, status=202)


class EditView(APIView):
    """Say something else than one said: in a new conversation that has all from before."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="messages_edit", request=EditSerializer, responses={201: ConversationSerializer}
    )
    def post(self, request: Request, conversation_id: UUID, message_id: UUID) -> Response:
        message = find_message(request, conversation_id, message_id)
        text = checked(EditSerializer, request.data)["text"]
        fork = actions.edit_message(message=message, text=text, origin=Origin.API, by=person_of(request))
        headers = {"Location": f"/api/v1/conversations/{fork.pk}"}
        return Response(ConversationSerializer(fork).data, status=201, headers=headers)


class StopView(APIView):
    """Stop the answer that is being written."""

    scope = Scope.RUN

    @extend_schema(operation_id="conversations_stop", request=None, responses=StoppedSerializer)
    def post(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        return Response({"stopped": actions.stop_answer(conversation=found, by=person_of(request))})


class ShareView(APIView):
    """A link under which anybody may read the conversation."""

    scope = Scope.RUN

    @extend_schema(operation_id="conversations_share", request=None, responses=ShareSerializer)
    def post(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        actions.share_conversation(conversation=found, by=person_of(request))
        return Response({"url": found.shared_path})

    @extend_schema(operation_id="conversations_unshare", request=None, responses={204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        found = find_conversation(request, conversation_id)
        actions.unshare_conversation(conversation=found, by=person_of(request))
        return Response(status=204)
