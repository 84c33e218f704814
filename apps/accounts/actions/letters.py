"""Mail to people: the link of an invitation, sent to whom it is for."""

from __future__ import annotations

import logging
import smtplib

from allauth.account.adapter import get_adapter
from django.conf import settings

from apps.accounts.models import Invitation

INVITATION_MAIL = "account/email/invitation"
SILENT_BACKENDS = {
    "django.core.mail.backends.console.EmailBackend",
    "django.core.mail.backends.dummy.EmailBackend",
}
"""Backends whose mail reaches nobody."""
log = logging.getLogger(__name__)


def send_invitation(*, invitation: Invitation, url: str) -> bool:
    """Mail an invitation's link to its address, in the language of the moment; say whether it left.

    False: the invitation names nobody, no mail is set up (the console shows it), or the mail server does not
    take it. The invitation stands all the same, and its link can be passed on by hand.
    """
    if not invitation.email:
        return False
    try:
        get_adapter().send_mail(INVITATION_MAIL, invitation.email, {"invitation": invitation, "url": url})
    except (smtplib.SMTPException, OSError) as error:
        log.warning("The mail server did not take an invitation: %s", type(error).__name__)
        return False
    return settings.EMAIL_BACKEND not in SILENT_BACKENDS
