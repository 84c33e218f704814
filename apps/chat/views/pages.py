"""What the chat shows: the conversations, one of them, what others may read of it, and files of it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.teams import active_team
from apps.chat import actions
from apps.chat.attachments import SUFFIXES
from apps.chat.forms import ConversationForm, NewConversationForm
from apps.chat.models import Author, Conversation, Message, MessageStatus
from apps.chat.serializers import ConversationSerializer, MessageSerializer
from apps.runs.result import SHOWN_CHARACTERS, render_markdown
from orchestra.errors import OrchestraError

LISTED = 100


@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """One's own conversations, last one first, and the beginning of another."""
    user, team = person_of(request), active_team(request)
    named = {"partner": request.GET.get("with", "")} if "with" in request.GET else None
    form = NewConversationForm(request.POST or None, team=team, initial=named)
    if request.method == "POST" and form.is_valid():
        try:
            conversation = actions.start_conversation(team=team, by=user, **form.chosen())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            return _begun(request, conversation, form.cleaned_data["text"])
    context = {
        "form": form,
        "conversations": listed(request),
        "can_run": user.can(Role.OPERATOR, team.pk),
    }
    return render(request, "chat/list.html", context, status=422 if form.errors else 200)


def _begun(request: HttpRequest, conversation: Conversation, text: str) -> HttpResponse:
    if text.strip():
        try:
            actions.send_message(conversation=conversation, text=text, by=person_of(request))
        except OrchestraError as error:
            return show_page(request, conversation, refusal=error.message, text=text, status=error.status)
    return redirect("chat:show", conversation.pk)


@require_safe
@login_required
def show(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """One conversation."""
    return show_page(request, find_conversation(request, conversation_id))


def show_page(
    request: HttpRequest, conversation: Conversation, *, refusal: str = "", text: str = "", status: int = 200
) -> HttpResponse:
    """Show a conversation, with what was refused and the text that it was about."""
    context = {
        **log_context(conversation),
        "conversations": listed(request),
        "accepted": ",".join(SUFFIXES),
        "refusal": refusal,
        "text": text,
        "form": ConversationForm(
            initial={"title": conversation.title, "when_busy": conversation.when_busy}, auto_id="about_%s"
        ),
        "shared_url": request.build_absolute_uri(conversation.shared_path) if conversation.share_id else "",
    }
    return render(request, "chat/show.html", context, status=status)


@require_safe
@login_required
def log(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """What was said until now; a fragment."""
    return log_part(request, find_conversation(request, conversation_id))


def log_part(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    """Answer with what was said until now, for a page that is open already."""
    return render(request, "chat/log.html", log_context(conversation))


@require_POST
@login_required
def rendered(request: HttpRequest) -> HttpResponse:
    """Turn a finished part of an answer into sanitised HTML, as the whole will be in the end."""
    return HttpResponse(render_markdown(request.POST.get("text", "")[:SHOWN_CHARACTERS]))


@require_safe
def shared(request: HttpRequest, share_id: str) -> HttpResponse:
    """What anybody with the link may read: the texts, without names, tools or runs."""
    found = Conversation.objects.filter(share_id=share_id).first()
    if found is None:
        raise Http404
    context = {"conversation": found, "entries": entries_of(found)}
    answer = render(request, "chat/shared.html", context)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@require_safe
@login_required
def export(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """A conversation as a file: Markdown, or with `?format=json` as the API tells it."""
    conversation = find_conversation(request, conversation_id)
    actions.settle_answer(conversation)
    messages = list(conversation.messages.filter(is_current=True))
    name = slugify(conversation.title)[:60] or "conversation"
    if request.GET.get("format") == "json":
        data = {
            **ConversationSerializer(conversation).data,
            "messages": MessageSerializer(messages, many=True).data,
        }
        text = json.dumps(data, ensure_ascii=False, indent=2, default=str)
        return _file(text, "application/json", f"{name}.json")
    return _file(_as_markdown(conversation, messages), "text/markdown; charset=utf-8", f"{name}.md")


def find_conversation(request: HttpRequest, conversation_id: UUID) -> Conversation:
    """Return a conversation of the person. Raises Http404 for those of others."""
    mine = Conversation.objects.visible_to(person_of(request)).select_related("agent", "workflow", "team")
    found: Conversation | None = mine.filter(pk=conversation_id).first()
    if found is None:
        raise Http404
    return found


def listed(request: HttpRequest) -> list[Conversation]:
    """Return one's own conversations in the active team, last one first."""
    mine = Conversation.objects.visible_to(person_of(request)).filter(team=active_team(request))
    return list(mine.select_related("agent", "workflow")[:LISTED])


def log_context(conversation: Conversation) -> dict[str, Any]:
    """Return what the log of a conversation shows; an answer that has ended is taken in first."""
    actions.settle_answer(conversation)
    entries = entries_of(conversation)
    answers = [one["message"] for one in entries if one["message"].author == Author.ASSISTANT]
    return {
        "conversation": conversation,
        "entries": entries,
        "is_writing": any(one.status == MessageStatus.WRITING for one in answers),
        "is_waiting": any(one["message"].status == MessageStatus.WAITING for one in entries),
        "last_answer": answers[-1].pk if answers else None,
        "chat_tokens": settings.ORCHESTRA_CHAT_TOKENS,
    }


def entries_of(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the messages in order, answers as HTML; of one that is being written, what there is of it."""
    return [
        {"message": one, "html": render_markdown(_text_of(one)[:SHOWN_CHARACTERS])}
        for one in conversation.messages.filter(is_current=True)
    ]


def _text_of(message: Message) -> str:
    if message.status != MessageStatus.WRITING or message.run_id is None:
        return message.text if message.author == Author.ASSISTANT else ""
    return actions.written_so_far(message)


def _as_markdown(conversation: Conversation, messages: list[Message]) -> str:
    parts = [f"# {conversation.name}"]
    for one in messages:
        when = one.created_at.strftime("%Y-%m-%d %H:%M UTC")
        parts.append(f"## {one.get_author_display()} · {when}\n\n{one.text or one.error}")
    return "\n\n".join(parts) + "\n"


def _file(text: str, content_type: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type=content_type, headers=headers)
