"""generateContent beside the WebSocket, by the real SDK and by plain HTTP."""

import json

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from sessions_app.emulator import Emulator

MODEL = "gemini-3.8-flash"
URL = f"/v1beta/models/{MODEL}:generateContent"
SKY = "The sky is blue because the air scatters the short, blue waves of sunlight more than the long, red ones."


def client(emulator: Emulator, key: str = "key") -> genai.Client:
    arguments = {"verify": emulator.ssl_context()}
    options = types.HttpOptions(
        base_url=emulator.url, api_version="v1beta", client_args=arguments, async_client_args=arguments
    )
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture
def post(shared_emulator):
    with httpx2.Client(base_url=shared_emulator.url, verify=shared_emulator.ssl_context()) as http:

        def post(body, url: str = URL, **headers: str) -> tuple[int, dict]:
            content = body if isinstance(body, bytes) else json.dumps(body)
            answer = http.post(url, content=content, headers={"x-goog-api-key": "key"} | headers)
            return answer.status_code, answer.json()

        yield post


async def test_the_sdk_gets_an_answer_of_the_script(shared_emulator):
    answer = await client(shared_emulator).aio.models.generate_content(model=MODEL, contents="Why is the sky blue?")
    assert answer.text == SKY
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == MODEL
    assert answer.response_id
    usage = answer.usage_metadata
    assert usage.prompt_token_count == 5  # 20 letters
    assert usage.candidates_token_count == 26  # 104 letters
    assert usage.total_token_count == 31


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_synchronous_sdk_gets_the_same_with_all_that_it_can_say(shared_emulator):
    with client(shared_emulator) as google:
        answer = google.models.generate_content(
            model=MODEL,
            contents=[
                types.Content(role="user", parts=[types.Part(text="Hello")]),
                types.Content(role="model", parts=[types.Part(text="Hello! How can I help you?")]),
                types.Content(role="user", parts=[
                    types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
                    types.Part(text="Play chess with me"),
                ]),
            ],
            config=types.GenerateContentConfig(
                system_instruction="Be brief.", temperature=0.5, max_output_tokens=8, top_p=0.9, stop_sequences=["x"],
                thinking_config=types.ThinkingConfig(thinking_budget=0), tools=[types.Tool(google_search={})],
                safety_settings=[types.SafetySetting(
                    category="HARM_CATEGORY_HATE_SPEECH", threshold="BLOCK_LOW_AND_ABOVE")],
            ),
        )  # fmt: skip
    assert answer.text == "I am the emulator of Gemini and "
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count == 8
    details = {detail.modality.name: detail.token_count for detail in answer.usage_metadata.prompt_tokens_details}
    assert details == {"TEXT": 2 + 7 + 5 + 3, "IMAGE": 258}


async def test_what_the_script_does_not_have_is_said_to_be_so(shared_emulator):
    answer = await client(shared_emulator).aio.models.generate_content(model=MODEL, contents="Who won the cup in 1966?")
    assert answer.text == (
        "I am the emulator of Gemini and no language model, so I cannot answer this: Who won the cup in 1966?"
    )


@pytest.mark.parametrize(
    ("key", "model", "code", "status", "says"),
    [
        ("bad", MODEL, 400, "INVALID_ARGUMENT", "API key not valid"),
        ("key", "gemini-0", 404, "NOT_FOUND", "models/gemini-0 is not found for API version v1beta"),
        ("key", "gemini-3.8-live", 404, "NOT_FOUND", "not supported for generateContent"),
    ],
)
async def test_the_sdk_is_refused(shared_emulator, key, model, code, status, says):
    with pytest.raises(errors.ClientError) as caught:
        await client(shared_emulator, key).aio.models.generate_content(model=model, contents="Hello")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert says in caught.value.message


async def test_streams_are_refused_clearly(shared_emulator):
    with pytest.raises(errors.ServerError) as caught:
        async for _ in await client(shared_emulator).aio.models.generate_content_stream(model=MODEL, contents="Hello"):
            pass
    assert (caught.value.code, caught.value.status) == (501, "UNIMPLEMENTED")


def ask(text: str) -> dict:
    return {"contents": [{"parts": [{"text": text}]}]}


@pytest.mark.parametrize("key", [{"x-goog-api-key": "key"}, {"x-goog-api-key": "", "Authorization": "Bearer key"}])
def test_a_raw_request_is_answered(post, key):
    status, answer = post(ask("why is the sky blue"), **key)
    assert status == 200
    assert answer["candidates"] == [
        {"content": {"parts": [{"text": SKY}], "role": "model"}, "finishReason": "STOP", "index": 0}
    ]


def test_the_key_may_stand_in_the_url(post):
    assert post(ask("hello"), f"{URL}?key=key", **{"x-goog-api-key": ""})[0] == 200
    assert post(ask("hello"), f"{URL}?key=bad", **{"x-goog-api-key": ""})[1]["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "Unable to parse the body as JSON"),
        (b"", "Unable to parse the body as JSON"),
        (b"[" * 5000 + b"]" * 5000, "Unable to parse the body as JSON"),
        ([], "Invalid value at '' (TYPE_MESSAGE)"),
        ({}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"parts": []}]}, "contents[0].parts: contents.parts must not be empty"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({**ask("x"), "prompt": "x"}, 'Unknown name "prompt" at \'\': Cannot find field.'),
        ({**ask("x"), "generation_config": {"max_tokens": 5}}, "Unknown name \"max_tokens\" at 'generation_config'"),
        ({**ask("x"), "generationConfig": {"maxOutputTokens": "many"}}, "(TYPE_INT32)"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_in_googles_envelope(post, body, says):
    status, answer = post(body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert says in answer["error"]["message"]


def test_a_request_without_a_key_is_refused(post):
    status, answer = post(ask("hello"), **{"x-goog-api-key": ""})
    assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"/v1beta/models/{MODEL}:countTokens", 501),
        (f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", 501),
        (f"/v1beta/models/{MODEL}", 404),
        (f"/v9/models/{MODEL}:generateContent", 404),
        ("/v1beta/models/:generateContent", 404),
        (f"/v1/models/{MODEL}:generateContent", 200),
        (f"//v1alpha/models/{MODEL}:generateContent", 200),
    ],
)
def test_paths(post, shared_emulator, url, status):
    assert post(ask("hello"), f"{shared_emulator.url}{url}")[0] == status


@pytest.mark.parametrize(("code", "status"), [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (500, "INTERNAL")])
async def test_a_fault_refuses(code, status):
    async with Emulator(
        speed=0, faults=[{"kind": "refuse_generate", "status": code, "nth": 2, "times": 1}]
    ) as emulator:
        google = client(emulator)
        assert (await google.aio.models.generate_content(model=MODEL, contents="hello")).text
        with pytest.raises(errors.APIError) as caught:
            await google.aio.models.generate_content(model=MODEL, contents="hello")
        assert (caught.value.code, caught.value.status) == (code, status)
        assert (await google.aio.models.generate_content(model=MODEL, contents="hello")).text
