"""Weather from Open-Meteo, which asks for no key (https://open-meteo.com/en/docs)."""

from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import Field

from ..caching import remembered
from ..context import ToolContext
from ..exceptions import ToolError
from ..registry import tool
from .places import find

CACHE_SECONDS = 600
CURRENT = "temperature_2m,relative_humidity_2m,weather_code,wind_speed_10m"
# WMO code table 4677 as Open-Meteo uses it, in words that sound well when spoken.
CONDITIONS = {
    0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "light freezing drizzle", 57: "freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "light freezing rain", 67: "freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains",
    80: "light rain showers", 81: "rain showers", 82: "violent rain showers",
    85: "light snow showers", 86: "heavy snow showers",
    95: "a thunderstorm", 96: "a thunderstorm with light hail", 99: "a thunderstorm with heavy hail",
}  # fmt: skip


@tool(timeout=15)
async def get_weather(
    context: ToolContext,
    location: Annotated[
        str,
        Field(
            description='A city, with its state or country if the user named one: "Paris", "Paris, Texas".',
            min_length=1,
            max_length=100,
        ),
    ],
    units: Annotated[Literal["celsius", "fahrenheit"], Field(description="The temperature scale.")] = "celsius",
) -> dict:
    """Get the current weather in a city."""
    service = context.http.named("The weather service")
    place = await find(service, location)
    # To some 100 m: who asks for the same city shares an answer, and the service's grid is coarser.
    query = {
        "latitude": round(place.latitude, 3),
        "longitude": round(place.longitude, 3),
        "current": CURRENT,
        "temperature_unit": units,
        "wind_speed_unit": "mph" if units == "fahrenheit" else "kmh",
        "timezone": "auto",
    }

    async def ask() -> dict[str, Any]:
        return _read(await service.get_json(settings.OPEN_METEO_FORECAST_URL, **query))

    weather = await remembered([settings.OPEN_METEO_FORECAST_URL, query], CACHE_SECONDS, ask)
    named = {"location": place.name, "region": place.admin1, "country": place.country, "units": units}
    return named | weather


def _read(forecast: Any) -> dict[str, Any]:
    try:
        current, written = forecast["current"], forecast["current_units"]
        return {
            "temperature": current["temperature_2m"],
            "conditions": CONDITIONS.get(current["weather_code"], "unknown conditions"),
            "humidity": current["relative_humidity_2m"],
            "windSpeed": current["wind_speed_10m"],
            "windUnits": written["wind_speed_10m"].replace("mp/h", "mph"),
            "observedAt": current["time"],
        }
    except (AttributeError, KeyError, TypeError):
        raise ToolError(
            "The weather service answered in a form that this server does not know; try again later."
        ) from None
