"""The schema of REST is whole and valid, and the page that shows it keeps our policy."""

import re

import pytest
from django.core.management import call_command
from django.urls import get_resolver
from django.urls.resolvers import URLPattern

pytestmark = pytest.mark.django_db
LEFT_OUT = {"/api/schema", "/api/docs", "/api/"}


def test_it_is_valid_and_nothing_of_it_was_guessed(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def routes(patterns, prefix="/") -> list[str]:
    found = []
    for pattern in patterns:
        route = prefix + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern).lstrip("^"))
        found += [route] if isinstance(pattern, URLPattern) else routes(pattern.url_patterns, route)
    return found


def test_every_route_below_api_is_in_it(client):
    answer = client.get("/api/schema")
    assert answer.headers["content-type"] == "application/json"
    schema = answer.json()
    assert schema["openapi"].startswith("3.1")
    known = {route for route in routes(get_resolver().url_patterns) if route.startswith("/api/")}
    assert set(schema["paths"]) == known - LEFT_OUT
    for path, operations in schema["paths"].items():
        for verb, operation in operations.items():
            assert operation["description"], (verb, path)
            assert {"200", "429"} <= set(operation["responses"]), (verb, path)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("*/*", "application/json"), ("application/yaml", "application/yaml")],
)
def test_as_json_and_yaml(client, accept, content_type):
    answer = client.get("/api/schema", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, content_type)


def test_its_page_has_no_script_or_style_of_others_or_in_itself(client):
    answer = client.get("/api/docs", headers={"accept": "text/html"})
    html = answer.content.decode()
    policy = answer.headers["content-security-policy"]  # in any order
    assert {"script-src 'self'", "style-src 'self'", "img-src 'self' data:"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert "data:" not in client.get("/").headers["content-security-policy"]
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not text for attributes, text in scripts)
    assert "<style" not in html
    for address in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert address.startswith("/"), address
    answer = client.get("/api/docs?script=")
    assert answer.headers["content-type"].startswith("application/javascript")
    assert "SwaggerUIBundle(" in answer.content.decode()


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def test_a_browser_is_led_to_the_login_page_and_back_and_a_program_is_told(client, django_user_model, settings):
    settings.GEMLIVE_ACCESS = "login"
    led = client.get("/api/docs", headers={"accept": BROWSER})
    assert (led.status_code, led.url) == (302, "/login?next=/api/docs")
    for accept in ("*/*", "application/json, */*"):
        assert client.get("/api/docs", headers={"accept": accept}).status_code == 401
    refused = client.get("/api/docs", headers={"accept": BROWSER, "authorization": "Token 0000"})
    assert refused.status_code == 401
    django_user_model.objects.create_user("ada", password="enter")
    back = client.post(led.url, {"username": "ada", "password": "enter", "next": "/api/docs"})
    assert back.url == "/api/docs"
    assert client.get(back.url, headers={"accept": BROWSER}).status_code == 200
