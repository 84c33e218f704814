"""What is done on the pages of the chat. A page with scripts asks with `X-Part: log` and gets the new log back."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.pages import person_of
from apps.accounts.problems import words
from apps.chat import actions
from apps.chat.attachments import with_files
from apps.chat.forms import ConversationForm
from apps.chat.models import Conversation, Message
from apps.chat.views.pages import find_conversation, log_part, show_page
from orchestra.errors import OrchestraError


@login_required
@require_POST
def send(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Say something."""
    conversation = find_conversation(request, conversation_id)
    text = request.POST.get("text", "")
    try:
        said = with_files(text, request.FILES.getlist("files"))
        actions.send_message(conversation=conversation, text=said, by=person_of(request))
    except OrchestraError as error:
        if _wants_part(request):
            return _refused(error)
        return show_page(request, conversation, refusal=_why(error), text=text, status=error.status)
    return _log_or_page(request, conversation)


@login_required
@require_POST
def stop(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Stop the answer that is being written."""
    conversation = find_conversation(request, conversation_id)
    return _done(
        request,
        conversation,
        lambda: actions.stop_answer(conversation=conversation, by=person_of(request)),
    )


@login_required
@require_POST
def regenerate(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """Have the last answer written anew."""
    conversation = find_conversation(request, conversation_id)
    message = _message(conversation, message_id)
    return _done(
        request,
        conversation,
        lambda: actions.regenerate_answer(message=message, by=person_of(request)),
    )


@login_required
@require_POST
def edit(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """Say something else than one said, in a conversation of its own."""
    conversation = find_conversation(request, conversation_id)
    message = _message(conversation, message_id)
    try:
        fork = actions.edit_message(message=message, text=request.POST.get("text", ""), by=person_of(request))
    except OrchestraError as error:
        messages.error(request, _why(error))
        return redirect("chat:show", conversation.pk)
    messages.success(request, _("This is a new conversation; the one before is kept as it was."))
    return redirect("chat:show", fork.pk)


@login_required
@require_POST
def change(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Rename a conversation, or say what a message during an answer comes to."""
    conversation = find_conversation(request, conversation_id)
    form = ConversationForm(request.POST)
    if form.is_valid():
        actions.change_conversation(conversation=conversation, by=person_of(request), **form.cleaned_data)
        messages.success(request, _("Saved."))
    else:
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    return redirect("chat:show", conversation.pk)


@login_required
@require_POST
def share(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Make the link under which anybody may read the conversation, or with `off` end it."""
    conversation = find_conversation(request, conversation_id)
    if request.POST.get("off"):
        actions.unshare_conversation(conversation=conversation, by=person_of(request))
        messages.success(request, _("The link is ended; nobody can open it any more."))
    else:
        actions.share_conversation(conversation=conversation, by=person_of(request))
        messages.success(request, _("Anybody with the link can read this conversation now."))
    return redirect("chat:show", conversation.pk)


@login_required
@require_POST
def delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Delete a conversation; its runs stay."""
    conversation = find_conversation(request, conversation_id)
    actions.delete_conversation(conversation=conversation, by=person_of(request))
    messages.success(request, _("The conversation is deleted."))
    return redirect("chat:list")


def _message(conversation: Conversation, message_id: UUID) -> Message:
    found: Message | None = conversation.messages.filter(pk=message_id).first()
    if found is None:
        raise Http404
    found.conversation = conversation
    return found


def _done(request: HttpRequest, conversation: Conversation, act: Callable[[], object]) -> HttpResponse:
    try:
        act()
    except OrchestraError as error:
        if _wants_part(request):
            return _refused(error)
        messages.error(request, _why(error))
        return redirect("chat:show", conversation.pk)
    return _log_or_page(request, conversation)


def _log_or_page(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    if _wants_part(request):
        return log_part(request, conversation)
    return redirect("chat:show", conversation.pk)


def _wants_part(request: HttpRequest) -> bool:
    return request.headers.get("X-Part") == "log"


def _refused(error: OrchestraError) -> HttpResponse:
    return HttpResponse(_why(error), content_type="text/plain; charset=utf-8", status=error.status)


def _why(error: OrchestraError) -> str:
    return " ".join(problem.message for problem in error.problems) or words(error)
