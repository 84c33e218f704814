"""Make the descriptors of the gRPC service from its .proto: `python tools/make_proto.py [--check]`.

The product and the Python package read them at run time, so that no generated module has to be kept in step with the
versions of protobuf.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "sdk" / "proto" / "modern_agent_service.proto"
TARGETS = (
    ROOT / "apps" / "runs" / "rpc" / "modern_agent_service.binpb",
    ROOT / "sdk" / "python" / "orchestra_agent" / "modern_agent_service.binpb",
)


def descriptors() -> bytes:
    """Return the service with everything that it imports, as a serialised FileDescriptorSet."""
    from grpc_tools import protoc

    included = resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set.binpb"
        words = [f"-I{SOURCE.parent}", f"-I{included}", "--include_imports", f"--descriptor_set_out={made}"]
        if protoc.main(["protoc", *words, SOURCE.name]):
            raise SystemExit(1)
        return made.read_bytes()


def main() -> int:
    """Write the descriptors; with --check only say whether they are what the source says."""
    made = descriptors()
    if "--check" in sys.argv:
        stale = [path for path in TARGETS if not path.exists() or path.read_bytes() != made]
        return 1 if stale else 0
    for path in TARGETS:
        path.write_bytes(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
