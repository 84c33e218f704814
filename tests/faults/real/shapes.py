"""The workflows of the fault runs: every shape and every kind that rests, with work that faults can fall into."""

from __future__ import annotations

from typing import Any

SLOW = "[[simulate latency=0.3 tps=40]] Summarize: The mill stands at the bend of the river. {{ run.id }}"


def llm(*needs: str, **more: Any) -> dict[str, Any]:
    return {"kind": "llm", "needs": list(needs), "settings": {"prompt": SLOW}, **more}


def work(*needs: str, seconds: float = 0.3, **more: Any) -> dict[str, Any]:
    settings = {"name": "faults_work", "arguments": {"value": 1, "seconds": seconds}}
    return {"kind": "function", "needs": list(needs), "settings": settings, **more}


def post(port: int, path: str, *needs: str, **more: Any) -> dict[str, Any]:
    settings = {"method": "POST", "url": f"http://127.0.0.1:{port}/{path}", "body": {"x": 1}}
    return {"kind": "http", "needs": list(needs), "settings": settings, **more}


def many(items: int, body: dict[str, Any], *needs: str, concurrency: int = 16) -> dict[str, Any]:
    settings = {"items": list(range(items)), "concurrency": concurrency, "body": body}
    return {"kind": "map", "needs": list(needs), "settings": settings}


def shapes(port: int) -> dict[str, dict[str, Any]]:
    """Return definitions by name; `port` is the world's."""
    one = {"nodes": {"one": llm()}, "output": "{{ item }}"}
    echo = {"kind": "function", "settings": {"name": "echo", "arguments": {"value": "{{ item }}"}}}
    step = {"nodes": {"again": work(seconds=0.1)}, "output": "{{ loop.index }}"}
    graphs: dict[str, dict[str, Any]] = {
        "diamond": {"a": llm(), "b": work("a"), "c": llm("a"), "d": work("b", "c")},
        "n": {"a": llm(), "b": work(), "c": work("a"), "d": llm("a", "b")},
        "crossing": {
            "a": llm(),
            "b": work(),
            "c": work("a", "b"),
            "d": llm("a", "b"),
            "e": work("c", "d"),
            "f": llm("d"),
        },
        "map": {"before": work(), "each": many(12, one, "before", concurrency=4), "after": llm("each")},
        "loop": {
            "turn": {"kind": "loop", "settings": {"max": 5, "until": "loop.index >= 4", "body": step}},
            "after": llm("turn"),
        },
        "wait": {
            "a": work(),
            "rest": {"kind": "wait", "needs": ["a"], "settings": {"seconds": 5}},
            "b": llm("rest"),
        },
        "approval": {
            "a": work(),
            "ask": {"kind": "approval", "needs": ["a"], "settings": {"title": "Go on?"}},
            "b": llm("ask.approved"),
        },
        "once": {"a": work(), "pay": post(port, "pay", "a", effect="once"), "b": llm("pay")},
        "held": {"a": post(port, "held", timeout=120), "b": post(port, "held", "a", timeout=120)},
        "flaky": {
            "a": llm(),
            "try": post(port, "flaky", "a", retry={"max": 8, "base": 0.5}),
            "b": work("try"),
        },
        "child": {
            "a": work(),
            "sub": {"kind": "workflow", "needs": ["a"], "settings": {"workflow": "fault-diamond"}},
            "b": llm("sub"),
        },
        "wide": {
            "before": work(),
            "each": many(500, {"nodes": {"one": echo}, "output": "{{ item }}"}, "before"),
        },
    }
    return {name: {"orchestra": 1, "nodes": nodes} for name, nodes in graphs.items()}
