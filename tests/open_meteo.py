"""Open-Meteo here: a real HTTP server for the two requests that the weather tool makes.

The shapes are those of https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/geocoding-api.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit


def _city(
    number: int, name: str, admin1: str, country: str, code: str, population: int, latitude: float, longitude: float,
    feature: str = "PPL", **more,
) -> dict:  # fmt: skip
    city = {"id": number, "name": name, "latitude": latitude, "longitude": longitude, "elevation": 10.0,
            "feature_code": feature, "country_code": code, "timezone": "GMT", "population": population,
            "country": country, "admin1": admin1, **more}  # fmt: skip
    return {key: value for key, value in city.items() if value}


US, UK = "United States", "United Kingdom"
# Of GeoNames; populations are rough. What is 0 or empty is left out, as the service does.
CITIES = [
    _city(5128581, "New York", "New York", US, "US", 8804190, 40.71427, -74.00597),
    _city(5128638, "New York Mills", "New York", US, "US", 3327, 43.10535, -75.29128),
    _city(2643743, "London", "England", UK, "GB", 8961989, 51.50853, -0.12574, "PPLC"),
    _city(6058560, "London", "Ontario", "Canada", "CA", 422324, 42.98339, -81.23304),
    _city(2950159, "Berlin", "Land Berlin", "Germany", "DE", 3426354, 52.52437, 13.41053, "PPLC"),
    _city(5083330, "Berlin", "New Hampshire", US, "US", 9367, 44.46867, -71.18508),
    _city(2988507, "Paris", "Île-de-France", "France", "FR", 2138551, 48.85341, 2.3488, "PPLC"),
    _city(4717560, "Paris", "Texas", US, "US", 24839, 33.66094, -95.55551, "PPLA2", admin2="Lamar"),
    _city(4303602, "Paris", "Kentucky", US, "US", 9846, 38.2098, -84.25299, "PPLA2"),
    _city(2867714, "Munich", "Bavaria", "Germany", "DE", 1260391, 48.13743, 11.57549, "PPLA"),
    _city(2761369, "Vienna", "Vienna", "Austria", "AT", 1691468, 48.20849, 16.37208, "PPLC"),
    _city(5279055, "Wien", "Wisconsin", US, "US", 0, 44.95, -90.02),
    _city(5391959, "San Francisco", "California", US, "US", 864816, 37.77493, -122.41942),
    _city(3837675, "San Francisco", "Cordoba", "Argentina", "AR", 59062, -31.42797, -62.08266),
    _city(3493175, "San Francisco de Macorís", "Duarte", "Dominican Republic", "DO", 124763, 19.30099, -70.25259),
    _city(4409896, "Springfield", "Missouri", US, "US", 166810, 37.21533, -93.29824),
    _city(4951788, "Springfield", "Massachusetts", US, "US", 153703, 42.10148, -72.58981),
    _city(4250542, "Springfield", "Illinois", US, "US", 116565, 39.80172, -89.64371, "PPLA"),
    _city(4525353, "Springfield", "Ohio", US, "US", 59680, 39.92423, -83.80882, "PPLA2", admin2="Clark"),
    _city(5754005, "Springfield", "Oregon", US, "US", 60870, 44.04624, -123.02203),
    _city(5241209, "Springfield", "Vermont", US, "US", 3979, 43.29841, -72.48231),
    _city(2148876, "Springfield", "Queensland", "Australia", "AU", 8000, -27.65, 152.91),
    _city(4409897, "Springfield Plateau", "Missouri", US, "US", 0, 37.1, -93.5, "UPLD"),
    _city(4930956, "Boston", "Massachusetts", US, "US", 667137, 42.35843, -71.05977, "PPLA"),
    _city(2655138, "Boston", "England", UK, "GB", 41340, 52.97633, -0.02664),
    _city(4140963, "Washington", "District of Columbia", US, "US", 689545, 38.89511, -77.03637, "PPLC"),
    _city(2634715, "Washington", "England", UK, "GB", 53388, 54.9, -1.51667),
    _city(5549222, "Washington", "Utah", US, "US", 23360, 37.13054, -113.50829),
]
TRANSLATIONS = {
    "de": {"Munich": "München", "Vienna": "Wien", "Germany": "Deutschland", "France": "Frankreich",
           "Austria": "Österreich", US: "Vereinigte Staaten", "Bavaria": "Bayern"},
    "fr": {"Germany": "Allemagne", "Munich": "Munich", "London": "Londres", UK: "Royaume-Uni"},
    "it": {"Paris": "Parigi", "France": "Francia", "Berlin": "Berlino", "London": "Londra"},
    "ru": {"Paris": "Париж", "France": "Франция", "London": "Лондон", UK: "Великобритания"},
}  # fmt: skip
UNITS = {"relative_humidity_2m": "%", "weather_code": "wmo code", "time": "iso8601", "interval": "seconds"}


@dataclass
class OpenMeteo:
    """Where it listens, and what it was asked: (path, query) in order."""

    port: int
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    # path → (status, content type, body) in place of its own answer; None: no answer while the server lives.
    answers: dict[str, tuple[int, str, bytes] | None] = field(default_factory=dict)
    ended: Event = field(default_factory=Event)

    def asked(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.requests if asked == path]

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
    """Finds by the beginning of a name in any language, by all of a name of two letters.

    Open-Meteo leaves `results` out when nothing is found.
    """
    wanted = query.get("name", "").lower()
    if len(wanted) < 2:
        return {"generationtime_ms": 0.1}

    def rank(city: dict) -> int:
        names = [city["name"], *(words.get(city["name"], "") for words in TRANSLATIONS.values())]
        if any(name.lower() == wanted for name in names):
            return 0
        return 1 if len(wanted) > 2 and any(name.lower().startswith(wanted) for name in names) else 2

    found = [city for city in CITIES if rank(city) < 2]
    found.sort(key=lambda city: (rank(city), -city.get("population", 0)))
    words = TRANSLATIONS.get(query.get("language", "en"), {})
    translated = [
        {key: words.get(value, value) if key in ("name", "country", "admin1") else value for key, value in city.items()}
        for city in found[: int(query.get("count", "10"))]
    ]
    return {"results": translated, "generationtime_ms": 0.4} if found else {"generationtime_ms": 0.4}


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
            kind, payload = "application/json; charset=utf-8", json.dumps(body).encode()
            if url.path in service.answers:
                if service.answers[url.path] is None:
                    service.ended.wait()
                    return
                status, kind, payload = service.answers[url.path]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = OpenMeteo(server.server_port)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
