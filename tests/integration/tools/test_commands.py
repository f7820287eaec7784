"""`manage.py list_tools` and `call_tool`, as a developer uses them."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from tools_app.context import ToolContext
from tools_app.models import ToolCall
from tools_app.registry import all_tools, temporary_tools, tool


@pytest.fixture(autouse=True)
def _tools():
    with temporary_tools():

        @tool(permission="tools_app.view_toolcall", rate="5/m")
        def secret(context: ToolContext) -> dict:
            """Secret."""
            return {"for": context.user.username}

        @tool(approval=True, outside=True, timeout=7)
        async def refund(number: int, reason: str = "none") -> dict:
            """Refund an order."""
            return {"number": number, "reason": reason}

        @tool
        async def search(context: ToolContext):
            """Search."""
            context.progress("Still looking…")
            yield "é"

        yield


@pytest.fixture
def run(transactional_db, capsys):
    """`run("refund", '{…}')`: the exit code, the JSON answer, and standard error."""

    def run(*args: str) -> tuple[int, dict, str]:
        code = 0
        try:
            call_command("call_tool", *args)
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return run


def test_the_answer_is_what_the_model_gets_and_the_call_is_kept(run):
    answer = {"number": 7, "reason": "none"}
    assert run("refund", '{"number": "7"}', "--approve") == (0, answer, "")
    [call] = ToolCall.objects.all()
    assert (call.name, call.status, call.arguments, call.result) == ("refund", "ok", {"number": "7"}, answer)


def test_a_call_that_does_not_end_well_exits_with_1(run):
    code, answer, _ = run("refund", '{"number": "many"}', "--approve")
    assert (code, "'number' is wrong" in answer["error"]) == (1, True)
    code, answer, _ = run("refnud")
    assert (code, "There is no tool called 'refnud'" in answer["error"]) == (1, True)
    assert {call.status for call in ToolCall.objects.all()} == {"error"}


def test_an_approval_that_nobody_can_give_is_told(run):
    code, answer, err = run("refund", '{"number": 7}')
    assert (code, "did not agree" in answer["error"]) == (1, True)
    assert 'refund({"number": 7}) wants an approval: call it again with --approve.' in err


def test_the_user_is_whom_one_names(run):
    User.objects.create_superuser("ada")
    assert run("secret")[0] == 1
    assert run("secret", "--user", "ada")[:2] == (0, {"for": "ada"})
    with pytest.raises(CommandError, match="There is no user called 'ben'"):
        run("secret", "--user", "ben")


def test_progress_and_parts_go_to_standard_error(run):
    assert run("search") == (0, {"result": ["é"]}, 'Still looking…\n"é"\n')


@pytest.mark.parametrize("arguments", ["{oops", "{'a': 1}", ""])
def test_what_is_no_json_is_told_with_an_example(run, arguments):
    with pytest.raises(CommandError, match=r"The arguments are no JSON .* call_tool refund"):
        run("refund", arguments)


def test_the_list_shows_what_each_takes_who_may_use_it_and_where_it_is(transactional_db, capsys):
    call_command("list_tools", "--no-color")
    listed = capsys.readouterr().out
    assert "refund(number, reason?)\n    Refund an order.\n    timeout 7 · asks for approval · outside · " in listed
    assert f"permission tools_app.view_toolcall · rate 5/m · {__file__}:" in listed
    assert all(f"{known.name}(" in listed for known in all_tools())


def test_the_list_as_json_is_what_the_model_is_told(transactional_db, capsys):
    call_command("list_tools", "--json")
    declared = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert declared["refund"]["parameters"]["required"] == ["number"]
    assert declared.keys() == {known.name for known in all_tools()}
