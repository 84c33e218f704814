"""An installed package brings its kind of node into every process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "samples" / "plugin"


def installed(target: Path) -> Path:
    """Install the sample by its path, as an installer of wheels does, without asking any index; return the folder."""
    project = tomllib.loads((SAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copytree(SAMPLE / "orchestra_checksum", target / "orchestra_checksum")
    about = target / f"orchestra_checksum-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return target


PROGRAM = """
import asyncio, json, os
import django
django.setup()
from orchestra.engine import plugins
from orchestra.engine.attempt import attempt
from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.nodes import KINDS
from tests.engine.contexts import context
node = {"kind": "checksum", "settings": {"text": "{{ inputs.t }}"}}
bad = {"kind": "checksum", "settings": {"text": "x", "algorithm": "md5"}}
plan = compile_definition({"orchestra": 1, "inputs": {"properties": {"t": {}}}, "nodes": {"a": node}})
outcome = asyncio.run(attempt(context("checksum", node["settings"], {"inputs": {"t": "abc"}})))
print(json.dumps({
    "kinds": list(KINDS), "queue": plan.nodes["a"].queue, "output": outcome.output,
    "problems": [p.path for p in find_problems({"orchestra": 1, "nodes": {"a": bad}})],
    "package": plugins.package_of("checksum"),
}))
"""


def test_the_sample_package_brings_its_kind_into_every_process(tmp_path: Path) -> None:
    folders = [str(installed(tmp_path)), str(ROOT)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folders),
        "ORCHESTRA_VAR": str(tmp_path / "var"),
    }
    environment["DJANGO_SETTINGS_MODULE"] = "orchestra.settings"

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert "checksum" in said["kinds"]
    assert (said["queue"], said["package"]) == ("cpu", "orchestra-checksum")
    assert said["output"]["hex"].startswith("ba7816bf")
    assert said["output"]["bytes"] == 3
    assert said["problems"] == ["nodes.a.settings.algorithm"]
