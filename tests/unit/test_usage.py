"""Tokens by turn, whichever way a model reports them."""

import pytest

from sessions_app.gemini.server_messages import ModalityTokenCount, UsageMetadata
from sessions_app.live.events import UsageReported
from sessions_app.live.limits import Totals
from sessions_app.live.usage import Usage


def report(prompt: int, response: int) -> UsageMetadata:
    return UsageMetadata(
        prompt_token_count=prompt,
        response_token_count=response,
        total_token_count=prompt + response,
        prompt_tokens_details=[ModalityTokenCount(modality="TEXT", token_count=prompt)],
        response_tokens_details=[ModalityTokenCount(modality="AUDIO", token_count=response)],
    )


def totals_of(usage: Usage, turns: list[list[UsageMetadata]]) -> Totals:
    totals = Totals()
    for reports in turns:
        for each in reports:
            usage.report(each)
        if taken := usage.take():
            totals.add(taken)
    return totals


# Three turns as they cost: the prompt of each is the whole context.
@pytest.mark.parametrize(
    ("counts", "turns"),
    [
        ("turn", [[report(10, 5)], [report(20, 6)], [report(30, 7)]]),
        # Within a turn a later report contains the earlier ones.
        ("turn", [[report(10, 1), report(10, 5)], [report(20, 6)], [report(30, 2), report(30, 7)]]),
        ("session", [[report(10, 5)], [report(30, 11)], [report(60, 18)]]),
        ("session", [[report(10, 2), report(10, 5)], [report(30, 11)], [report(50, 12), report(60, 18)]]),
    ],
)
def test_tokens_add_up_to_what_the_turns_cost(counts, turns):
    totals = totals_of(Usage(counts), turns)
    assert (totals.prompt, totals.response, totals.total) == (60, 18, 78)
    assert totals.by_modality == {"prompt.text": 60, "response.audio": 18}


def test_a_new_connection_counts_from_nothing():
    usage = Usage("session")
    assert totals_of(usage, [[report(10, 5)], [report(30, 11)]]).total == 41
    usage.connection_ended()
    assert totals_of(usage, [[report(7, 3)]]).total == 10


def test_nothing_reported_is_nothing():
    assert Usage().take() is None


def test_vertex_says_candidates():
    usage = Usage()
    usage.report(
        UsageMetadata(
            prompt_token_count=1,
            candidates_token_count=2,
            total_token_count=3,
            candidates_tokens_details=[ModalityTokenCount(modality="AUDIO", token_count=2)],
        )
    )
    assert usage.take() == UsageReported(1, 2, 3, {"response.audio": 2})
