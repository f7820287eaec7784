"""Open-Meteo here: a real HTTP server for the two requests that the weather tool makes.

The shapes are those of https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/geocoding-api.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

CITIES = [
    {"id": 5128581, "name": "New York", "latitude": 40.71427, "longitude": -74.00597, "country": "United States",
     "country_code": "US", "admin1": "New York", "timezone": "America/New_York", "population": 8804190},
    {"id": 2643743, "name": "London", "latitude": 51.50853, "longitude": -0.12574, "country": "United Kingdom",
     "country_code": "GB", "admin1": "England", "timezone": "Europe/London", "population": 8961989},
    {"id": 2950159, "name": "Berlin", "latitude": 52.52437, "longitude": 13.41053, "country": "Germany",
     "country_code": "DE", "admin1": "Land Berlin", "timezone": "Europe/Berlin", "population": 3426354},
]  # fmt: skip
UNITS = {"relative_humidity_2m": "%", "weather_code": "wmo code", "time": "iso8601", "interval": "seconds"}


@dataclass
class OpenMeteo:
    """Where it listens, and what it was asked: (path, query) in order."""

    port: int
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send the weather tool here."""
        return {
            "OPEN_METEO_GEOCODING_URL": f"http://{self.host}/v1/search",
            "OPEN_METEO_FORECAST_URL": f"http://{self.host}/v1/forecast",
        }


class _BadRequest(Exception):
    pass


def search(query: dict[str, str]) -> dict:
    """Open-Meteo leaves `results` out when nothing is found."""
    if len(query.get("name", "")) < 2:
        return {"generationtime_ms": 0.1}
    found = [city for city in CITIES if city["name"].lower().startswith(query["name"].lower())]
    count = int(query.get("count", "10"))
    return {"results": found[:count], "generationtime_ms": 0.4} if found else {"generationtime_ms": 0.4}


def forecast(query: dict[str, str]) -> dict:
    try:
        latitude, longitude = float(query["latitude"]), float(query["longitude"])
    except (KeyError, ValueError):
        raise _BadRequest("Parameter 'latitude' and 'longitude' must have the same number of elements") from None
    fahrenheit = query.get("temperature_unit") == "fahrenheit"
    wind = {"mph": ("mp/h", 7.5), "ms": ("m/s", 3.4)}.get(query.get("wind_speed_unit", ""), ("km/h", 12.1))
    values = {
        "temperature_2m": 64.4 if fahrenheit else 18.0,
        "relative_humidity_2m": 62,
        "weather_code": 2,
        "wind_speed_10m": wind[1],
    }
    units = {**UNITS, "temperature_2m": "°F" if fahrenheit else "°C", "wind_speed_10m": wind[0]}
    wanted = query.get("current", "").split(",")
    if unknown := [name for name in wanted if name not in values]:
        raise _BadRequest(
            f"Data corrupted at path ''. Cannot initialize SurfacePressureAndHeightVariable from {unknown[0]}."
        )
    return {
        "latitude": latitude,
        "longitude": longitude,
        "generationtime_ms": 0.05,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 32.0,
        "current_units": {name: units[name] for name in ("time", "interval", *wanted)},
        "current": {"time": "2026-11-22T11:15", "interval": 900, **{name: values[name] for name in wanted}},
    }


@contextmanager
def open_meteo() -> Iterator[OpenMeteo]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            service.requests.append((url.path, query))
            answer = {"/v1/search": search, "/v1/forecast": forecast}.get(url.path)
            try:
                status, body = (200, answer(query)) if answer else (404, {"error": True, "reason": "Not Found"})
            except _BadRequest as error:
                status, body = 400, {"error": True, "reason": str(error)}
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = OpenMeteo(server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
