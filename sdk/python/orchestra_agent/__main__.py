"""Run an agent from the command line: `python -m orchestra_agent --url … --token … --capability …`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import socket
import sys
from typing import cast

from orchestra_agent.agent import Agent, Handler
from orchestra_agent.links import Door, NotLetIn, Replaced

EXAMPLE = "orchestra_agent.example:count_words"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestra_agent", description="Work as a remote agent.")
    add = parser.add_argument
    add("--url", default=os.environ.get("ORCHESTRA_URL", "http://127.0.0.1:8000"), help="of the installation")
    add("--token", default=os.environ.get("ORCHESTRA_AGENT_TOKEN", ""), help="registration token (ort_…)")
    add("--name", default=socket.gethostname()[:80], help="the same name again is the same agent")
    add(
        "--capability",
        action="append",
        default=[],
        help="such as 'translate;languages=de|fr'; repeat it for more",
    )
    add("--slots", type=int, default=1, help="assignments at once")
    add("--grpc", default="", metavar="HOST:PORT", help="connect over gRPC instead (needs grpcio)")
    add("--grpc-ca", default="", metavar="FILE", help="certificate to trust: gRPC over TLS")
    add("--handler", default=EXAMPLE, help="module:coroutine function that does an assignment")
    return parser


def main() -> int:
    """Work until told to stop; 2 when the arguments are wrong or the agent is not let in."""
    given = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if not given.token:
        sys.stderr.write("A registration token is needed: --token, or ORCHESTRA_AGENT_TOKEN.\n")
        return 2
    agent = Agent(
        given.url,
        token=given.token,
        name=given.name,
        capabilities=given.capability,
        slots=given.slots,
        door=grpc_door(given.grpc, given.grpc_ca) if given.grpc else None,
    )
    agent.handler(load(given.handler))
    try:
        agent.run()
    except (NotLetIn, Replaced) as error:
        sys.stderr.write(f"{error or error.__doc__}\n")
        return 2
    return 0


def grpc_door(address: str, authority: str) -> Door:
    from orchestra_agent.grpc_door import GrpcDoor

    return GrpcDoor(address, authority)


def load(place: str) -> Handler:
    """Return the function that `module:name` names; modules of the working directory count too."""
    module, _, name = place.partition(":")
    sys.path.insert(0, os.getcwd())
    return cast("Handler", getattr(importlib.import_module(module), name))


if __name__ == "__main__":
    sys.exit(main())
