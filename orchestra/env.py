"""Typed readers of the environment: a value is `NAME`, or the content of the file that `NAME_FILE` names."""

from __future__ import annotations

import os
import re
import stat
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent

SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;"
SOCKET_PATH_LIMIT = 100
"""Bytes of a Unix socket's path that work everywhere (Linux takes 107, macOS 103)."""


class BadEnvironment(Exception):
    """The environment holds a value that cannot be used; the message says which and what to set instead."""


def text(name: str, default: str = "") -> str:
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            reason = f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
            raise BadEnvironment(reason) from error
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    raw = text(name).lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(f"{name} is {raw!r}; use true or false.")


def number(name: str, default: int, *, least: int = 0) -> int:
    raw = text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise BadEnvironment(f"{name} is {raw!r}; use a whole number.") from error
    if value < least:
        raise BadEnvironment(f"{name} is {value}; use {least} or more.")
    return value


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list, without empty parts."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def url(name: str, schemes: tuple[str, ...]) -> str:
    """Return a URL whose scheme is one of `schemes`, or "" when unset."""
    raw = text(name)
    if raw and urlsplit(raw).scheme not in schemes:
        raise BadEnvironment(f"{name} must start with one of {', '.join(s + '://' for s in schemes)}.")
    return raw


def var_folder() -> Path:
    """Return the folder for data of this installation (`ORCHESTRA_VAR`, default `var/`), made if needed."""
    folder = Path(text("ORCHESTRA_VAR") or ROOT / "var")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadEnvironment(
            f"The data folder {folder} cannot be made: {error.strerror}. "
            "Set ORCHESTRA_VAR to a writable folder."
        ) from error
    return folder


def embedded_socket(folder: Path) -> Path:
    """Return where the embedded broker of the installation in `folder` listens: `run/valkey.sock` inside it.

    A folder whose path is too long for a Unix socket, or would need escaping in a URL, gets a socket in a
    private folder (mode 0700, made by whoever starts the broker) under `/tmp` instead, wherever TMPDIR points:
    the settings and the supervisor ask here from different sessions and must agree.
    """
    usual = folder.resolve() / "run" / "valkey.sock"
    if len(os.fsencode(usual)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w/.-]+", str(usual), re.ASCII):
        return usual
    mark = zlib.crc32(os.fsencode(usual))
    return Path(f"/tmp/orchestra-{os.getuid()}-{mark:08x}/valkey.sock")  # noqa: S108 (private: see embedded.prepare)


def secret(name: str, folder: Path) -> str:
    """Return a secret from the environment, or one made at the first start, kept in `folder` (mode 0600)."""
    given = text(name)
    if given:
        return given
    path = folder / name.lower()
    if not path.exists():
        import secrets  # here, because the supervisor reads this module too and OpenSSL doubles its memory

        try:
            _write_private(path, secrets.token_urlsafe(48))
        except FileExistsError:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise BadEnvironment(
                f"The data folder {folder} cannot be written: {error.strerror}. "
                "Set ORCHESTRA_VAR to a writable folder."
            ) from error
    return path.read_text(encoding="utf-8")


def _write_private(path: Path, value: str) -> None:
    """Write a new file readable by its owner only; whole or not at all (two processes may start together)."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(value, encoding="utf-8")
    draft.chmod(stat.S_IRUSR | stat.S_IWUSR)
    os.link(draft, path)
    draft.unlink()


def database(raw: str, sqlite_path: Path) -> dict[str, object]:
    """Return Django's settings for a database URL; SQLite at `sqlite_path` when there is none.

    PostgreSQL gets a psycopg pool (persistent connections leak under ASGI); SQLite gets WAL and immediate
    transactions, without which concurrent writers die with "database is locked".
    """
    parts = urlsplit(raw)
    if not raw or parts.scheme == "sqlite":
        name = Path(unquote(parts.path.removeprefix("/")) or sqlite_path) if raw else sqlite_path
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": SQLITE_PRAGMAS,
            },
        }
    if parts.scheme not in {"postgres", "postgresql"}:
        raise BadEnvironment("DATABASE_URL must start with postgres:// or sqlite:///.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 0, "max_size": number("ORCHESTRA_DB_POOL", 4, least=2), "timeout": 10},
            "connect_timeout": 5,
            # A plan made while a table was small or a list short would be kept for ever.
            "options": "-c plan_cache_mode=force_custom_plan",
        },
    }
