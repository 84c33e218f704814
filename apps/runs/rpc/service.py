"""`ai_orchestra.v2.ModernAgentService` on grpc.aio: thin over the actions and the sessions that WebSockets use too."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from apps.accounts.scopes import Scope
from apps.agents.actions import note_sign_of_life, register_agent
from apps.agents.matching import capabilities_of
from apps.agents.models import Agent, AgentToken, Transport
from apps.agents.standing import AgentState, state_in_sql, state_of
from apps.runs.actions import start_run
from apps.runs.agent_gateway import gateway
from apps.runs.agent_session import BEATS_PER_LEASE, AgentSession
from apps.runs.assignments import Assignment, AssignmentStatus
from apps.runs.live.database import in_database
from apps.runs.models import Event, PriorityLevel, Run
from apps.runs.rpc.callers import agent_of, token_of, user_of
from apps.runs.rpc.messages import agent_message, message, packed, status_number, unpacked
from apps.workflows.models import Workflow
from orchestra.engine.capabilities import BadCapability, can_handle, read_all
from orchestra.errors import OrchestraError

FOLLOW_SECONDS = 0.5
SHORTEST_SECONDS = 0.5
LONGEST_SECONDS = 3600.0
CHUNK = 500
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


class ModernAgentService:
    """The six calls; the names are those of the service."""

    async def RegisterAgent(self, request: Any, context: Any) -> Any:  # noqa: N802  (the service's own name)
        token = await token_of(context)
        try:
            made = await in_database(_register, token, request)
        except OrchestraError as error:
            await _refuse(context, error)
        lease = float(settings.ORCHESTRA_AGENT_LEASE_SECONDS)
        return message("RegisterAgentResponse")(
            agent_id=str(made.agent.pk),
            slug=made.agent.slug,
            key=made.key,
            lease_seconds=lease,
            beat_seconds=lease / BEATS_PER_LEASE,
        )

    async def StreamHeartbeat(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  (as above)
        agent = await agent_of(context)
        lease = float(settings.ORCHESTRA_AGENT_LEASE_SECONDS)
        async for beat in requests:
            state = await in_database(_beat, agent, beat)
            if state == AgentState.DISABLED:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, "The agent is disabled.")
            yield message("HeartbeatResponse")(
                status=status_number(state), lease_seconds=lease, beat_seconds=lease / BEATS_PER_LEASE
            )

    async def AssignTask(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  (as above)
        user, key = await user_of(context, Scope.RUN)
        given = unpacked_struct(request.input)
        try:
            run = await in_database(_start, user, key, request, given)
        except OrchestraError as error:
            await _refuse(context, error)
        if run is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such workflow.")
        seq = 0
        while run is not None:
            is_over, events = await in_database(_events, run, seq)
            for event in events:
                seq = event.seq
                yield _event_message(event)
            if is_over and not events:
                return
            if not events:
                await asyncio.sleep(FOLLOW_SECONDS)

    async def TaskBidirectionalStream(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  (as above)
        agent = await agent_of(context)
        session = gateway().enter(agent, Transport.GRPC)
        hearing = asyncio.ensure_future(_hear(session, requests))
        try:
            while (said := await session.outbox.get()) is not None:
                yield packed(said, str(agent.pk))
            if session.closed_because == "disabled":
                await context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, "The agent is disabled or has registered anew."
                )
            if session.closed_because == "replaced":
                await context.abort(
                    grpc.StatusCode.ABORTED, "Another connection of this agent has taken over."
                )
        finally:
            hearing.cancel()
            gateway().leave(session)

    async def ListAgents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  (as above)
        _user, key = await user_of(context, Scope.READ)
        try:
            requires = read_all(list(request.requires))
        except BadCapability as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        after = None
        while agents := await in_database(_agents, key.team_id, after):
            for agent in agents:
                after = agent.pk
                if can_handle(capabilities_of(agent), requires):
                    yield agent_message(agent)

    async def GetRealTimeMetrics(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  (as above)
        _user, key = await user_of(context, Scope.READ)
        pause = min(max(request.interval_seconds or 5.0, SHORTEST_SECONDS), LONGEST_SECONDS)
        while True:
            yield await in_database(_snapshot, key.team_id)
            await asyncio.sleep(pause)


def unpacked_struct(given: Any) -> dict[str, Any]:
    """Return a `google.protobuf.Struct` as JSON."""
    holder = message("TaskMessage")()
    holder.payload.value = given.SerializeToString()
    return unpacked(holder)


async def _hear(session: AgentSession, requests: Any) -> None:
    """Take the agent's messages until it has no more; that ends the call."""
    try:
        async for given in requests:
            content = unpacked(given)
            await session.hear(content)
            if content.get("type") in {"hello", "beat"}:
                gateway().look(session.agent.team_id)
    finally:
        session.close("left")


async def _refuse(context: Any, error: OrchestraError) -> None:
    listed = "; ".join(f"{one.path}: {one.message}" for one in error.problems)
    await context.abort(
        CODES.get(error.status, grpc.StatusCode.INTERNAL), f"{error.message} {listed}".strip()
    )


def _register(token: AgentToken, request: Any) -> Any:
    return register_agent(
        token=token,
        name=request.name[:80],
        capabilities=list(request.capabilities),
        slots=request.slots or 1,
        description=request.description,
        version=request.version,
    )


def _beat(agent: Agent, beat: Any) -> AgentState:
    given = beat.resources
    report: dict[str, Any] = {
        "draining": beat.draining,
        "trouble": beat.trouble,
        "resources": {
            "cpu": given.cpu_usage,
            "memory": given.memory_usage,
            "disk": given.disk_usage,
            "network_in": given.network_bytes_in,
            "network_out": given.network_bytes_out,
        },
    }
    if beat.slots > 0:
        report["slots"] = beat.slots
    fresh: Agent = Agent.objects.select_related("presence").get(pk=agent.pk)
    if fresh.is_enabled:
        note_sign_of_life(agent=agent, report=report)
        fresh.presence.refresh_from_db()
    return state_of(fresh)


def _start(user: Any, key: Any, request: Any, given: dict[str, Any]) -> Run | None:
    found = Workflow.objects.visible_to(user).filter(team=key.team, slug=request.workflow).first()
    if found is None:
        return None
    priority = request.priority or PriorityLevel.NORMAL
    run: Run = start_run(workflow=found, input=given, priority=priority, by=user)
    return run


def _events(run: Run, after: int) -> tuple[bool, list[Event]]:
    is_over = Run.objects.only("status").get(pk=run.pk).is_final
    return is_over, list(Event.objects.filter(run=run, seq__gt=after).order_by("seq")[:CHUNK])


def _event_message(event: Event) -> Any:
    made = message("TaskEvent")(seq=event.seq, type=event.type, run_id=str(event.run_id), node=event.node)
    made.at.FromDatetime(event.at)
    made.data.update(event.data)
    return made


def _agents(team: Any, after: Any) -> list[Agent]:
    found = Agent.objects.filter(team_id=team).select_related("presence").order_by("pk")
    return list((found.filter(pk__gt=after) if after else found)[:CHUNK])


def _snapshot(team: Any) -> Any:
    states = Agent.objects.filter(team_id=team).annotate(now=state_in_sql())
    counted: Counter[str] = Counter()
    for state, count in states.values_list("now").annotate(n=Count("pk")).order_by():
        counted[state] = count
    open_ones = Assignment.objects.filter(team_id=team)
    made = message("MetricsSnapshot")(
        agents_by_status=counted,
        assignments_queued=open_ones.filter(status=AssignmentStatus.QUEUED).count(),
        assignments_leased=open_ones.filter(status=AssignmentStatus.LEASED).count(),
    )
    made.at.FromDatetime(timezone.now())
    return made
