"""The API around oneself: logging in and out, profile, picture, sessions, keys."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.http import FileResponse, Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import FileUploadParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import actions, sign_in, tokens
from apps.accounts.authentication import Refused, TokenAuthentication
from apps.accounts.models import User
from apps.accounts.scopes import Scope
from apps.accounts.serializers import (
    CredentialsSerializer,
    LogoutSerializer,
    MeSerializer,
    ProfileSerializer,
    RefreshSerializer,
    SessionSerializer,
    TokenPairSerializer,
)
from orchestra.api import PagedView

NO_STORE = {"Cache-Control": "no-store"}
PREFERENCES = {"type": "object", "additionalProperties": True}


def person(request: Request) -> User:
    """Return who asks; the permissions of the views let nobody else in."""
    if not isinstance(request.user, User):
        raise Refused
    return request.user


def checked(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Return the validated body. Raises DRF's ValidationError, which becomes a 400 with every problem."""
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class DoorView(APIView):
    """A view for people who are not logged in yet: whatever cookies come along do not count."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return TokenAuthentication().authenticate_header(request)


class TokenView(DoorView):
    """Logging in over the API."""

    @extend_schema(
        operation_id="auth_token",
        request=CredentialsSerializer,
        responses={200: TokenPairSerializer},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        given = checked(CredentialsSerializer, request)
        user = sign_in.check_password(request._request, given["username"], given["password"])
        actions.check_second_factor(request=request._request, user=user, code=given.get("totp", ""))
        return Response(TokenPairSerializer(tokens.issue(user)).data, headers=NO_STORE)


class RefreshView(DoorView):
    """A new pair for a refresh token, which is used up."""

    @extend_schema(
        operation_id="auth_token_refresh",
        request=RefreshSerializer,
        responses={200: TokenPairSerializer},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        try:
            pair = tokens.rotate(checked(RefreshSerializer, request)["refresh"])
        except tokens.BadToken as error:
            raise Refused from error
        return Response(TokenPairSerializer(pair).data, headers=NO_STORE)


class LogoutView(APIView):
    """Ends the session, or the tokens, of the request; and those of the refresh token in its body."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="auth_logout", request=LogoutSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        refresh = checked(LogoutSerializer, request).get("refresh")
        if refresh:
            try:
                tokens.end(refresh)
            except tokens.BadToken as error:
                raise Refused from error
        if isinstance(request.auth, tokens.AccessToken):
            tokens.end_family(request.auth.family)
        elif request.auth is None and request.user.is_authenticated:
            get_adapter().logout(request._request)
        return Response(status=204)


class MeView(APIView):
    """Who asks."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="me_read", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(person(request), context={"request": request}).data)

    @extend_schema(operation_id="me_update", request=ProfileSerializer, responses=MeSerializer)
    def patch(self, request: Request) -> Response:
        user = actions.update_profile(user=person(request), **checked(ProfileSerializer, request))
        return Response(MeSerializer(user, context={"request": request}).data)


class PreferencesView(APIView):
    """What the pages remember for a person; PATCH merges, and null takes a key away."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="me_preferences_read", responses={200: PREFERENCES})
    def get(self, request: Request) -> Response:
        return Response(person(request).preferences)

    @extend_schema(
        operation_id="me_preferences_update",
        request={"application/json": PREFERENCES},
        responses={200: PREFERENCES},
    )
    def patch(self, request: Request) -> Response:
        if not isinstance(request.data, dict):
            raise ValidationError("Send one JSON object.")
        user = actions.set_preferences(user=person(request), changes=request.data)
        return Response(user.preferences)


class PictureParser(FileUploadParser):
    """A picture as the whole body."""

    media_type = "image/*"

    def get_filename(self, stream: Any, media_type: Any, parser_context: Any) -> str:
        return "picture"


class AvatarView(APIView):
    """One's own picture: PNG, JPEG or WebP in, as the body or as the form field `avatar`; WebP out."""

    scope = Scope.ADMIN
    parser_classes = (MultiPartParser, PictureParser)

    @extend_schema(operation_id="me_avatar_read", responses={(200, "image/webp"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> FileResponse:
        user = person(request)
        if not user.avatar:
            raise Http404
        response = FileResponse(user.avatar.open("rb"), content_type="image/webp", filename="avatar.webp")
        response["Cache-Control"] = "private, no-cache"
        return response

    @extend_schema(
        operation_id="me_avatar_set",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"avatar": {"type": "string", "format": "binary"}},
                "required": ["avatar"],
            },
            "image/*": OpenApiTypes.BINARY,
        },
        responses=MeSerializer,
    )
    def put(self, request: Request) -> Response:
        upload = request.FILES.get("avatar") or request.FILES.get("file")
        if upload is None:
            raise ParseError("Send a picture as the body, or as the form field `avatar`.")
        user = actions.set_avatar(user=person(request), upload=upload)
        return Response(MeSerializer(user, context={"request": request}).data)

    @extend_schema(operation_id="me_avatar_delete", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        actions.remove_avatar(user=person(request))
        return Response(status=204)


class SessionsView(PagedView):
    """Where one is logged in with a browser."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="me_sessions_list", responses=SessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        shape = partial(SessionSerializer, context={"request": request})
        return self.page(UserSession.objects.filter(user=person(request)), shape)

    @extend_schema(
        operation_id="me_sessions_end_others",
        description="Ends every other session, and every login over the API.",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        current = request.session.session_key if request.auth is None else None
        actions.end_other_sessions(user=person(request), current=current)
        return Response(status=204)


class SessionView(APIView):
    """One browser session."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="me_sessions_end", request=None, responses={204: None})
    def delete(self, request: Request, session_id: int) -> Response:
        session = get_object_or_404(UserSession, pk=session_id, user=person(request))
        actions.end_session(session)
        return Response(status=204)
