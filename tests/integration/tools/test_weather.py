import asyncio
import socket
import subprocess

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.open_meteo import open_meteo as serve_open_meteo
from tests.programs import require_program
from tests.server import free_port
from tests.waiting import GIVE_UP_SECONDS
from tools_app import caching, http
from tools_app.builtin.places import find, normalised
from tools_app.executor import ToolExecutor
from tools_app.http import HttpClient

SEARCH, FORECAST = "/v1/search", "/v1/forecast"


@pytest.fixture(autouse=True)
def _fresh_cache():
    """Of the settings that the test has by then."""
    caching.shared_cache.cache_clear()
    caching.shared_cache().clear()
    yield
    caching.shared_cache.cache_clear()


@pytest.fixture
def redis_process(tmp_path, settings):
    """A Redis to kill, which answers and is Django's cache."""
    port = free_port()
    command = [require_program("Redis (redis-server)", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen([*command, "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        retry = Retry(ConstantBackoff(0.02), 500, supported_errors=(RedisConnectionError,))
        with Redis(port=port, retry=retry) as client:
            client.ping()
        use_redis(settings, port)
        yield process
    finally:
        process.kill()
        process.wait(GIVE_UP_SECONDS)


def use_redis(settings, port: int, **options) -> None:
    location = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location, "OPTIONS": options}
    }
    caching.shared_cache.cache_clear()


@pytest.fixture
def open_meteo(settings):
    with serve_open_meteo() as service:
        for name, url in service.environment.items():
            setattr(settings, name, url)
        settings.TOOLS_PRIVATE_HOSTS = [service.host]
        yield service


async def test_weather_is_asked_of_open_meteo(call, open_meteo):
    assert (await call("get_weather", location="New York")).result == {
        "location": "New York",
        "region": "New York",
        "country": "United States",
        "temperature": 18.0,
        "units": "celsius",
        "conditions": "partly cloudy",
        "humidity": 62,
        "windSpeed": 12.1,
        "windUnits": "km/h",
        "observedAt": "2026-11-22T11:15",
    }
    (_, searched), (_, asked) = open_meteo.requests
    assert searched == {"name": "New York", "count": "10", "language": "en", "format": "json"}
    assert (asked["latitude"], asked["longitude"]) == ("40.714", "-74.006")


async def test_weather_in_fahrenheit(call, open_meteo):
    result = (await call("get_weather", location="Berlin", units="fahrenheit")).result
    assert (result["temperature"], result["windUnits"], result["conditions"]) == (64.4, "mph", "partly cloudy")


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("Paris", "Paris, Île-de-France, France"),
        ("paris", "Paris, Île-de-France, France"),
        ("New York", "New York, New York, United States"),
        ("London", "London, England, United Kingdom"),
        ("Berlin", "Berlin, Land Berlin, Germany"),
        ("San Francisco", "San Francisco, California, United States"),
        ("Wien", "Vienna, Vienna, Austria"),
        ("München", "Munich, Bavaria, Germany"),
        ("Париж", "Paris, Île-de-France, France"),
        ("San Francisco de", "San Francisco de Macorís, Duarte, Dominican Republic"),
        ("Berlin, Germany", "Berlin, Land Berlin, Germany"),
        ("Berlin, DE", "Berlin, Land Berlin, Germany"),
        ("Berlin,New Hampshire", "Berlin, New Hampshire, United States"),
        ("Berlin, NH, USA", "Berlin, New Hampshire, United States"),
        ("Paris, France", "Paris, Île-de-France, France"),
        ("Paris, Ile de France", "Paris, Île-de-France, France"),
        ("Paris, Texas", "Paris, Texas, United States"),
        ("Paris, TX", "Paris, Texas, United States"),
        ("Paris Texas", "Paris, Texas, United States"),
        ("Paris TX", "Paris, Texas, United States"),
        ("paris texas united states", "Paris, Texas, United States"),
        ("Paris, Lamar, Texas, U.S.A.", "Paris, Texas, United States"),
        ("Paris, Frankreich", "Paris, Île-de-France, France"),
        ("Parigi, Francia", "Paris, Île-de-France, France"),
        ("Париж, Франция", "Paris, Île-de-France, France"),
        ("London, UK", "London, England, United Kingdom"),
        ("London, Ontario", "London, Ontario, Canada"),
        ("London, CA", "London, Ontario, Canada"),
        ("Springfield, Illinois", "Springfield, Illinois, United States"),
        ("Springfield, IL", "Springfield, Illinois, United States"),
        ("Springfield Illinois", "Springfield, Illinois, United States"),
        ("Springfield, Vermont", "Springfield, Vermont, United States"),
        ("Springfield, Australia", "Springfield, Queensland, Australia"),
        ("Washington, D.C.", "Washington, District of Columbia, United States"),
        ("Washington", "Washington, District of Columbia, United States"),
        ("München, Deutschland", "Munich, Bavaria, Germany"),
    ],
)
async def test_the_place_that_is_meant_is_taken(open_meteo, location, place):
    assert str(await find(HttpClient(), location)) == place


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        (
            "Springfield",
            "There are several places called Springfield: Springfield, Missouri, United States; "
            "Springfield, Massachusetts, United States; Springfield, Illinois, United States; "
            "Springfield, Oregon, United States; Springfield, Ohio, United States; and others. "
            "Ask the user which one is meant.",
        ),
        (
            "Springfield, USA",
            "There are several places called Springfield: Springfield, Missouri, United States; "
            "Springfield, Massachusetts, United States; Springfield, Illinois, United States; "
            "Springfield, Oregon, United States; Springfield, Ohio, United States; and others. "
            "Ask the user which one is meant.",
        ),
        (
            "Paris, Narnia",
            "No place called 'Paris, Narnia' was found, but these: Paris, Île-de-France, France; "
            "Paris, Texas, United States; Paris, Kentucky, United States. Ask the user which one is meant.",
        ),
        ("Nowhereville", "No place called 'Nowhereville' was found; ask the user which city is meant."),
        ("Nowhere in the sea", "No place called 'Nowhere in the sea' was found; ask the user which city is meant."),
        (",", "No place called ',' was found; ask the user which city is meant."),
    ],
)  # fmt: skip
async def test_what_is_not_clear_is_a_question_and_no_guess(call, open_meteo, location, sentence):
    assert (await call("get_weather", location=location)).error == sentence
    assert open_meteo.asked(FORECAST) == []


@pytest.mark.parametrize("location", ["", "   ", "x" * 101])
async def test_a_wrong_place_is_not_asked_for(call, open_meteo, location):
    assert (await call("get_weather", location=location)).status == "error"
    assert open_meteo.requests == []


def test_names_are_compared_without_accents_and_dots():
    assert [normalised(name) for name in ("D.C.", "Île-de-France", "St. John’s", "ÅRHUS")] == [
        "dc", "ile de france", "st johns", "arhus",
    ]  # fmt: skip


FORM = "The weather service answered in a form that this server does not know; try again later."


@pytest.mark.parametrize("path", [SEARCH, FORECAST])
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((500, "text/plain", b"oops"), "answered with HTTP status 500; try again later."),
        ((404, "application/json", b"{}"), "answered with HTTP status 404; try again later."),
        (
            (429, "application/json", b'{"error": true}'),
            "is asked too often at the moment; try again in a few minutes.",
        ),
        ((200, "text/html", b"<html>Log in</html>"), "did not answer in JSON; try again later."),
        ((200, "application/json", b"[1, 2]"), FORM),
        ((200, "application/json", b'{"results": [{"name": 1}], "current": {}}'), FORM),
        ((200, "application/json", b'{"results": {"a": 1}, "current": 5}'), FORM),
        ((200, "application/json", b'{"results": 5, "current_units": {}}'), FORM),
        (None, "did not answer within 0.5 seconds; try again later."),
    ],
)
async def test_a_service_that_is_out_of_order_is_one_sentence(call, open_meteo, monkeypatch, path, answer, sentence):
    monkeypatch.setitem(http.HttpClient.request.__kwdefaults__, "timeout", 0.5)
    open_meteo.answers[path] = answer
    outcome = await call("get_weather", location="London")
    assert outcome.status == "error"
    assert outcome.error.endswith(sentence)
    # Nothing of it is kept.
    del open_meteo.answers[path]
    assert (await call("get_weather", location="London")).status == "ok"


async def test_a_service_that_is_away_is_a_sentence(call, open_meteo, settings):
    settings.OPEN_METEO_FORECAST_URL = "http://127.0.0.1:1/v1/forecast"
    settings.TOOLS_PRIVATE_HOSTS += ["127.0.0.1:1"]
    outcome = await call("get_weather", location="London")
    assert outcome.error.startswith("The weather service at 127.0.0.1 cannot be reached")


# --- the cache


async def test_the_service_is_asked_once_for_the_same(call, open_meteo):
    first = await call("get_weather", location="London")
    assert (await call("get_weather", location="London")).result == first.result
    assert [path for path, _ in open_meteo.requests] == [SEARCH, FORECAST]
    assert (await call("get_weather", location="London", units="fahrenheit")).result["temperature"] == 64.4
    assert (await call("get_weather", location="London, UK")).result == first.result
    assert [path for path, _ in open_meteo.requests] == [SEARCH, FORECAST, FORECAST, SEARCH]


async def test_fifty_at_once_ask_the_service_once(transactional_db, open_meteo):
    executor = ToolExecutor(session_id=None, user_id=None, allowed=None)
    calls = [executor.call(f"call-{number}", "get_weather", {"location": "London"}) for number in range(50)]
    outcomes = await asyncio.gather(*calls)
    await executor.close(timeout=GIVE_UP_SECONDS)
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert [path for path, _ in open_meteo.requests] == [SEARCH, FORECAST]


async def test_one_who_gives_up_does_not_take_it_from_the_others():
    started, release, made = asyncio.Event(), asyncio.Event(), []

    async def make():
        started.set()
        await release.wait()
        made.append(1)
        return "here"

    first, second = (asyncio.create_task(caching.remembered(["x"], 60, make)) for _ in range(2))
    await started.wait()
    first.cancel()
    release.set()
    assert await second == "here"
    assert made == [1]
    assert await caching.remembered(["x"], 60, make) == "here"


async def test_a_redis_that_is_killed_fails_no_tool(call, open_meteo, redis_process, caplog):
    first = await call("get_weather", location="Paris, Texas")
    assert (await call("get_weather", location="Paris, Texas")).result == first.result
    assert len(open_meteo.requests) == 2
    redis_process.kill()
    redis_process.wait(GIVE_UP_SECONDS)
    assert (await call("get_weather", location="Paris, Texas")).result == first.result
    assert len(open_meteo.requests) == 4
    assert "The cache does not answer (ConnectionError)" in caplog.text


async def test_a_cache_that_hangs_is_not_waited_for(call, open_meteo, settings, monkeypatch):
    monkeypatch.setattr(caching, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_redis(settings, silent.getsockname()[1], socket_timeout=3)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            assert (await call("get_weather", location="London")).status == "ok"
