"""What tokens cost."""

import pytest

from sessions_app.gemini.models import MODELS
from sessions_app.live.events import UsageReported
from sessions_app.quotas import prices


def usage(prompt: int, response: int, total: int = 0, **by_modality: int) -> UsageReported:
    named = {name.replace("_", "."): count for name, count in by_modality.items()}
    return UsageReported(prompt, response, total or prompt + response, named)


@pytest.fixture
def price() -> prices.Price:
    return {"prompt": {"text": 1.0, "audio": 3.0}, "response": {"text": 4.0, "audio": 10.0}}


@pytest.mark.parametrize(
    ("tokens", "millionths"),
    [
        (usage(300, 50, prompt_text=100, prompt_audio=200, response_audio=50), 100 * 1 + 200 * 3 + 50 * 10),
        (usage(300, 0, prompt_text=100), 100 * 1 + 200 * 3),  # what nobody accounts for costs the dearest
        (usage(300, 0, prompt_text=100, prompt_image=200), 100 * 1 + 200 * 3),
        (usage(100, 50, 190, prompt_text=100, response_audio=50), 100 * 1 + 50 * 10 + 40 * 4),  # 40 of thought
    ],
)
def test_each_modality_has_its_price(price, tokens, millionths):
    assert prices.cost(price, tokens) == pytest.approx(millionths / 1e6)


def test_every_model_that_is_proposed_has_a_price():
    for model, capabilities in MODELS.items():
        if not capabilities.vertex_only:
            assert prices.price_of(f"models/{model}"), model


def test_a_table_that_cannot_be_used_is_refused(tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text('["some-model"]\nprompt = { text = 1.0 }\nresponse = { audio = 2.0 }\n')
    with pytest.raises(ValueError, match="some-model needs response"):
        prices.read(file)
