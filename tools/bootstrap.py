"""Make `.venv` with the locked dependencies; a second call finds everything in place and does nothing.

Standard library only, and readable by old Pythons so that they can say what is missing:

    python3 tools/bootstrap.py             what the product needs
    python3 tools/bootstrap.py --dev       and the development tools
    python3 tools/bootstrap.py --browser   and Chromium with gettext, where apt is at hand
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11")
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
CHECK = "import django"
SYSTEM_PROGRAMS = {"chromium": "chromium", "msgfmt": "gettext"}
NEVER_IMPORTED = r"/(tests?|testing|_vendor|pip|setuptools|locale|lexers|styles)/"
NETWORK_SIGNS = (
    "resolve",
    "connect",
    "Network is unreachable",
    "timed out",
    "No matching distribution",
    "tunnel",
)


class CannotPrepare(Exception):
    """The environment cannot be made; the message says why and what to do."""


def main() -> int:
    """Prepare the environment; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dev", action="store_true", help="also the development tools and the tests' needs")
    parser.add_argument("--browser", action="store_true", help="also Chromium and gettext (Debian, as root)")
    given = parser.parse_args()
    try:
        use_new_python()
        prepare(ROOT, DEVELOPMENT if given.dev else RUNTIME)
        if given.browser:
            install_system_programs()
    except CannotPrepare as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the next start goes on from here.\n")
        return 130
    return 0


def use_new_python() -> None:
    """Go on with a newer Python from PATH when this one is too old. Raises CannotPrepare."""
    if sys.version_info[:2] >= MINIMUM:
        return
    for name in NEWER:
        path = shutil.which(name)
        if path and _run([path, "-c", "import venv"]).returncode == 0:
            os.execv(path, [path, *sys.argv])
    raise CannotPrepare(
        "Orchestra needs Python {}.{} or newer; this is {} and no newer one is on PATH. "
        "Install one, for example with: apt install python3.11 python3.11-venv".format(
            *MINIMUM, sys.version.split()[0]
        )
    )


def prepare(root: Path, lock: str) -> None:
    """Bring `root/.venv` to the state that a lock file describes. Raises CannotPrepare."""
    with only_one(root):
        venv = root / ".venv"
        if not stands(venv, root, lock):
            install(venv, root, lock)


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the lock that keeps two bootstraps from writing into one environment."""
    try:
        handle = (root / ".venv.lock").open("w")
    except OSError as error:
        raise CannotPrepare(
            f"The folder {root} cannot be written ({error.strerror}); copy the project to a folder of yours."
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up of this folder is under way; waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def stands(venv: Path, root: Path, lock: str) -> bool:
    """Say whether the environment was finished from this very lock, in this place, and its Python starts."""
    try:
        stamp = json.loads((venv / "orchestra.json").read_text())
    except (OSError, ValueError):
        return False
    return (
        stamp.get("place") == str(venv)
        and stamp.get(lock) == digest(root / lock)
        and _run([str(venv / "bin" / "python"), "-c", CHECK]).returncode == 0
    )


def install(venv: Path, root: Path, lock: str) -> None:
    """Make the environment where it is missing or broken, install the lock, stamp it."""
    since = time.monotonic()
    unfinished = venv / "orchestra.unfinished"
    python = venv / "bin" / "python"
    if venv.exists() and (unfinished.exists() or not _is_sound(venv)):
        say("The environment in .venv is broken or unfinished; it is made anew.")
        shutil.rmtree(str(venv))
    uv = shutil.which("uv")
    if not venv.exists():
        say(f"Making .venv with Python {sys.version.split()[0]} …")
        make_venv(venv, uv)
    unfinished.touch()
    count = sum(1 for line in (root / lock).read_text().splitlines() if "==" in line and line[0].isalnum())
    say("Installing up to {} packages from {} with {} …".format(count, lock, "uv" if uv else "pip"))
    try:
        install_with_uv(uv, python, root / lock) if uv else install_with_pip(python, root / lock, count)
    except CannotPrepare:
        unfinished.unlink()  # both download everything before they change anything
        raise
    stamp = {"place": str(venv), lock: digest(root / lock)}
    if lock == DEVELOPMENT:
        stamp[RUNTIME] = digest(root / RUNTIME)
    (venv / "orchestra.json").write_text(json.dumps(stamp, indent=2) + "\n")
    unfinished.unlink()
    say(f"The environment is ready ({time.monotonic() - since:.0f} s).")


def make_venv(venv: Path, uv: str | None) -> None:
    """Make an empty environment with the running Python; marked as unfinished from the first moment."""
    venv.mkdir()
    (venv / "orchestra.unfinished").touch()
    if uv:
        command = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(venv)]
    else:
        command = [sys.executable, "-m", "venv", str(venv)]
    answer = _run(command, env=uv_environment())
    if answer.returncode:
        raise CannotPrepare(
            "Python cannot make a virtual environment here; install its venv module (Debian: apt install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv) or uv.\n{_tail(answer)}"
        )


def install_with_uv(uv: str, python: Path, lock: Path) -> None:
    """Install the lock with uv, which shows its own progress."""
    command = [uv, "pip", "install", "--python", str(python), "--require-hashes", "--no-deps"]
    command += ["--compile-bytecode", "-r", str(lock)]
    answer = subprocess.run(command, env=uv_environment(), stderr=subprocess.PIPE, text=True)
    if answer.returncode:
        raise CannotPrepare(reason_of(answer.stderr))
    sys.stderr.write(answer.stderr if sys.stderr.isatty() else "")


def install_with_pip(python: Path, lock: Path, count: int) -> None:
    """Install the lock with pip, counting the packages on the way; compile afterwards, on all cores."""
    command = [str(python), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-compile"]
    command += [
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
        "--retries",
        "2",
        "-r",
        str(lock),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines, seen = [], 0
    for line in process.stdout or ():
        lines.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen += 1
            progress("  {}/{}  {}".format(seen, count, line.split("==")[0].split()[-1]))
        elif line.startswith("Installing collected packages"):
            progress(f"  putting {count} packages in place")
    progress("")
    if process.wait():
        raise CannotPrepare(reason_of("".join(lines)))
    library = str(python.parent.parent / "lib")
    _run([str(python), "-m", "compileall", "-q", "-j", "0", "-x", NEVER_IMPORTED, library])


def reason_of(output: str) -> str:
    """Turn an installer's last words into a sentence about what to do."""
    lines = output.strip().splitlines()
    telling = [line for line in lines if line.lower().startswith("error")] or lines[-6:]
    tail = "\n".join("  " + line for line in telling)
    if "HASHES" in output or "hash mismatch" in output.lower():
        sentence = (
            "A downloaded package does not have the content that the lock file names; nothing was installed."
        )
    elif "No space left" in output:
        sentence = "The disk is full; about 400 MB are needed."
    elif any(sign in output for sign in NETWORK_SIGNS):
        sentence = (
            "The package index cannot be reached: check the network (or pip's index settings) and try again."
        )
    else:
        sentence = "The dependencies could not be installed."
    return f"{sentence}\n{tail}"


def install_system_programs() -> None:
    """Install what the browser tests and the translations need from Debian's packages, where possible."""
    missing = sorted(package for program, package in SYSTEM_PROGRAMS.items() if not shutil.which(program))
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        say(
            "Not installed: {} (needs apt and root); tests that use them are skipped.".format(
                ", ".join(missing)
            )
        )
        return
    say("Installing {} with apt …".format(", ".join(missing)))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], env=environment)
    answer = _run(["apt-get", "install", "-yq", "--no-install-recommends", *missing], env=environment)
    if answer.returncode:
        say("apt could not install {}:\n{}".format(", ".join(missing), _tail(answer)))


def uv_environment() -> dict[str, str]:
    """Return uv's environment: the Python that runs here, never one that uv downloads."""
    return {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(text: str) -> None:
    """Write one line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Overwrite the current line, on a terminal only."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{text}")
        sys.stdout.flush()


def _is_sound(venv: Path) -> bool:
    """Say whether the environment's Python starts, is new enough and still belongs to this place."""
    code = f"import sys; sys.exit(sys.version_info < {MINIMUM!r} or sys.prefix != {str(venv)!r})"
    return _run([str(venv / "bin" / "python"), "-c", code]).returncode == 0


def _run(command: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, str(error))


def _tail(answer: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(answer.stdout.strip().splitlines()[-6:])


if __name__ == "__main__":
    sys.exit(main())
