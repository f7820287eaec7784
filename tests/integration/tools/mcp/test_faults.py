"""An MCP server that goes away, or means ill, harms nobody else."""

import asyncio
import logging
import resource
import time

import pytest

from tests.forms import long_form
from tests.waiting import GIVE_UP_SECONDS, wait_until
from tools_app.mcp_servers import source as source_module
from tools_app.registry import registry

from .conftest import names

UNREACHABLE = "The MCP server 'crm' cannot be reached just now; try again in a minute."


async def test_a_process_that_dies_in_a_call_is_started_again(use, stdio, call, notes):
    use(crm=stdio())
    assert (await call("crm_die")).error == UNREACHABLE
    assert (await call("crm_add", a=1)).response == {"result": 2}
    assert notes().count("started") == 2
    assert notes().count("died") == 1


@pytest.mark.parametrize("ways", [(), ("old", "json"), long_form(("old",))])
async def test_a_server_that_is_started_anew_is_found_again(use, http, call, monkeypatch, ways):
    server = http(*ways)
    source = use(crm=server.entry())
    assert (await call("crm_add", a=1)).status == "ok"
    server.kill()
    with monkeypatch.context() as patch:
        patch.setattr("tools_app.mcp_servers.server.WAIT_SECONDS", 0.2)
        for _ in range(2):  # at once, and when it is known to be away
            assert (await call("crm_add", a=1)).error == UNREACHABLE
    assert "crm_add" in names(source)
    server.start()
    assert (await call("crm_add", a=1)).response == {"result": 2}


async def test_a_server_that_has_forgotten_the_session_runs_the_call_all_the_same(use, http, call):
    server = http("old", "json")
    use(crm=server.entry())
    server.kill()
    server.start()
    assert (await call("crm_add", a=1)).response == {"result": 2}


async def test_a_server_that_was_away_at_first_is_found_later(use, http, call):
    server = http()
    server.kill()
    source = use(crm=server.entry())
    assert names(source) == []
    server.start()
    await asyncio.to_thread(wait_until, lambda: "crm_add" in names(source), "the server is found")
    assert (await call("crm_add", a=1)).status == "ok"


async def test_a_change_that_is_not_told_is_found_by_looking(use, http, monkeypatch):
    monkeypatch.setattr("tools_app.mcp_servers.server.LOOK_SECONDS", 0.2)
    server = http("old", "json", "silent")
    source = use(crm=server.entry())
    await registry.get("crm_learn").handler({})
    await asyncio.to_thread(wait_until, lambda: "crm_learned" in names(source), "the new tool is listed")


@pytest.mark.parametrize("way", ["stdio", "http", long_form("http old")])
async def test_a_flood_is_not_taken(use, stdio, http, call, way):
    kind, *ways = way.split()
    use(crm=stdio() if kind == "stdio" else http(*ways).entry())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = await call("crm_flood", megabytes=100)
    assert outcome.status == "error"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 60
    assert (await call("crm_add", a=1)).response == {"result": 2}


async def test_much_text_is_cut_for_the_model(use, stdio, call):
    use(crm=stdio())
    response = (await call("crm_flood", megabytes=3)).response
    assert response["truncated"] is True
    assert len(response["result"]) < 40_000


@pytest.mark.parametrize("how", ["hang", "garbage", "flood"])
async def test_a_server_that_never_gets_ready_is_waited_for_once(use, stdio, call, monkeypatch, how):
    """Who waits for one that hangs any longer, waits until it is given up, and it is settled."""
    monkeypatch.setattr("tools_app.mcp_servers.stdio.END_SECONDS", 0.2)
    use(crm=stdio())
    monkeypatch.setattr(source_module, "FIRST_ANSWER_SECONDS", 0.3)
    source = use(bad=stdio(how))
    assert (await call("crm_add", a=1)).response == {"result": 2}
    monkeypatch.setattr(source_module, "FIRST_ANSWER_SECONDS", GIVE_UP_SECONDS)
    assert source.tools(wait=True) == ()
    [server] = source._servers
    if how == "hang":
        assert not server.settled.is_set()
    else:
        await asyncio.to_thread(wait_until, server.settled.is_set, "it is given up")


def test_a_program_that_is_not_there_is_a_line_in_the_log(use, caplog):
    assert names(use(bad={"command": "no-such-program"})) == []
    assert "MCP server 'bad' failed: [Errno 2] No such file or directory: 'no-such-program'" in caplog.text


def test_of_very_many_tools_the_first_are_used(use, stdio, caplog):
    assert len(names(use(crm=stdio("many")))) == 100
    assert "name those that you want in 'tools'" in caplog.text


def test_what_a_server_writes_to_stderr_goes_to_the_log_in_bounds(use, stdio, caplog, capfd):
    caplog.set_level(logging.INFO, "tools_app.mcp")
    assert "crm_add" in names(use(crm=stdio("noise")))
    lines = [record.getMessage() for record in caplog.records]
    assert "MCP server 'crm': \ufffd[31mcanary" in lines
    assert 50 < sum("noise" in line for line in lines) <= 60
    assert capfd.readouterr().err == ""


def test_asking_for_the_ready_list_never_waits(use, stdio, monkeypatch):
    monkeypatch.setattr("tools_app.mcp_servers.stdio.END_SECONDS", 0.2)
    monkeypatch.setattr(source_module, "FIRST_ANSWER_SECONDS", 0.1)
    source = use(bad=stdio("hang"))
    started = time.thread_time()  # of this thread's work: on a busy machine it is the same
    for _ in range(10_000):
        source.tools(wait=False)
    assert (time.thread_time() - started) / 10_000 < 50e-6
    assert not source._servers[0].settled.is_set()
