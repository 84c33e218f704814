"""Every write about people and teams, one function each, called by pages, API, admin and commands alike."""

from apps.accounts.actions.keys import create_api_key, revoke_api_key
from apps.accounts.actions.letters import send_invitation
from apps.accounts.actions.links import make_login_link, use_login_link
from apps.accounts.actions.people import (
    ensure_operator,
    purge_expired,
    remove_avatar,
    set_avatar,
    set_preferences,
    update_profile,
)
from apps.accounts.actions.second_factor import (
    check_second_factor,
    has_second_factor,
    remove_second_factors,
)
from apps.accounts.actions.sessions import end_other_sessions, end_session, end_sessions
from apps.accounts.actions.teams import (
    accept_invitation,
    change_role,
    create_team,
    find_invitation,
    invite,
    remove_member,
    rename_team,
    withdraw_invitation,
)

__all__ = [
    "accept_invitation",
    "change_role",
    "check_second_factor",
    "create_api_key",
    "create_team",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "ensure_operator",
    "find_invitation",
    "has_second_factor",
    "invite",
    "make_login_link",
    "purge_expired",
    "remove_avatar",
    "remove_member",
    "remove_second_factors",
    "rename_team",
    "revoke_api_key",
    "send_invitation",
    "set_avatar",
    "set_preferences",
    "update_profile",
    "use_login_link",
    "withdraw_invitation",
]
