"""The simulated model as an HTTP server of every dialect, for load and fault tests of the real path."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping

from aiohttp import web

from orchestra.llm.client import ModelRequest
from orchestra.llm.dialect_gemini import GeminiDialect
from orchestra.llm.dialect_ollama import OllamaDialect
from orchestra.llm.dialect_responses import ResponsesDialect
from orchestra.llm.dialects import ChatDialect, Dialect, MessagesDialect, Reply
from orchestra.llm.script import Script, take_directives
from orchestra.llm.simulated import MODELS, paced, said, tokens_in, tokens_out
from orchestra.llm.tool_use import calls_of

SCRIPT = web.AppKey("script", Script)
SEEN: web.AppKey[OrderedDict[str, int]] = web.AppKey("seen", OrderedDict)
MAX_BODY = 32 * 1024 * 1024
REMEMBERED = 10_000
SILENCE_SECONDS = 3600.0


def make_app(script: Script | None = None) -> web.Application:
    """Return the application, with the base URLs `/v1` (chat completions, responses, messages), `/v1beta` (Gemini)
    and none (Ollama's `/api/chat`), each with its list of models.

    `script` is the default behaviour; directives in a prompt change it for that request. Attempts are told by
    `X-Attempt`, else counted per equal request.
    """
    app = web.Application(client_max_size=MAX_BODY)
    app[SCRIPT] = script or Script()
    app[SEEN] = OrderedDict()
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/messages", _messages)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/responses", _responses)
    app.router.add_post("/v1beta/models/{model}:{method}", _gemini)
    app.router.add_get("/v1beta/models", _gemini_models)
    app.router.add_post("/api/chat", _ollama)
    app.router.add_get("/api/tags", _ollama_models)
    return app


async def _models(request: web.Request) -> web.Response:
    entries = [{"id": name, "object": "model", "owned_by": "simulated"} for name in MODELS]
    return web.json_response({"object": "list", "data": entries})


async def _gemini_models(request: web.Request) -> web.Response:
    entries = [
        {"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]} for name in MODELS
    ]
    return web.json_response({"models": entries})


async def _ollama_models(request: web.Request) -> web.Response:
    return web.json_response({"models": [{"name": name, "model": name} for name in MODELS]})


async def _responses(request: web.Request) -> web.StreamResponse:
    return await _answer(request, ResponsesDialect())


async def _gemini(request: web.Request) -> web.StreamResponse:
    is_streamed = request.match_info["method"] == "streamGenerateContent"
    return await _answer(request, GeminiDialect(), model=request.match_info["model"], stream=is_streamed)


async def _ollama(request: web.Request) -> web.StreamResponse:
    return await _answer(request, OllamaDialect())


async def _chat(request: web.Request) -> web.StreamResponse:
    return await _answer(request, ChatDialect())


async def _messages(request: web.Request) -> web.StreamResponse:
    return await _answer(request, MessagesDialect())


async def _answer(request: web.Request, dialect: Dialect, **from_url: object) -> web.StreamResponse:
    raw = await request.read()
    try:
        body = {**json.loads(raw), **from_url}
        asked = dialect.asked(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _refusal(400, f"The request cannot be read: {type(error).__name__}.")
    messages, script = take_directives(asked.messages, asked.model, request.app[SCRIPT])
    failure = script.failure(_attempt(request, raw))
    if failure in ("silence", "timeout"):
        await asyncio.sleep(SILENCE_SECONDS)
    await asyncio.sleep(script.latency)
    kind, _, detail = failure.partition(":")
    if kind in _BROKEN or kind.isdigit():
        return _broken(request, kind, detail)
    calls = calls_of(asked, messages, script)
    text, reason = await said(asked, messages, script, calls)
    answer = Reply(text, reason, (tokens_in(messages), tokens_out(text, calls)), calls)
    if not body.get("stream", dialect.streams_unasked):
        await asyncio.sleep(sum(pause for _, pause in paced(text, script, asked)))
        return web.json_response(dialect.whole(asked, answer))
    return await _stream(request, dialect, asked, script, answer, kind, detail)


async def _stream(
    request: web.Request,
    dialect: Dialect,
    asked: ModelRequest,
    script: Script,
    answer: Reply,
    kind: str,
    detail: str,
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": dialect.content_type, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    await _write(response, dialect.opening(asked, answer.usage))
    cut = (int(detail) if detail.isdigit() else 1) if kind == "cut" else None
    for number, (piece, pause) in enumerate(paced(answer.text, script, asked)):
        if number == cut:
            break
        await _write(response, dialect.piece(asked, piece))
        if kind in _BAD_BYTES and number == 0:
            await response.write(_BAD_BYTES[kind])
        await asyncio.sleep(pause)
    if cut is not None:
        _abort(request)
        return response
    await _write(response, dialect.closing(asked, answer))
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, parts: list[str]) -> None:
    if parts:
        await response.write("".join(parts).encode())


_BROKEN = frozenset({"html", "error", "refuse"})
_BAD_BYTES = {
    "badjson": b'data: {"choices": [{"delta"\n\n',
    "badutf8": b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n',
}


def _broken(request: web.Request, kind: str, detail: str) -> web.Response:
    if kind.isdigit():
        headers = {"Retry-After": detail} if detail else {}
        return _refusal(int(kind), f"scripted failure {kind}", headers)
    if kind == "html":
        return web.Response(text="<html><body>Gateway</body></html>", content_type="text/html")
    if kind == "refuse":
        _abort(request)
    return web.json_response({"error": {"message": "scripted error body", "type": "server_error"}})


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = json.dumps({"error": {"message": message, "type": "simulated", "code": status}})
    return web.Response(status=status, text=body, headers=headers, content_type="application/json")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _attempt(request: web.Request, raw: bytes) -> int:
    told = request.headers.get("X-Attempt", "")
    if told.isdigit():
        return int(told)
    seen = request.app[SEEN]
    key = hashlib.sha256(raw).hexdigest()
    seen[key] = seen.get(key, 0) + 1
    seen.move_to_end(key)
    if len(seen) > REMEMBERED:
        seen.popitem(last=False)
    return seen[key]
