"""Weather from Open-Meteo, which asks for no key (https://open-meteo.com/en/docs)."""

from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import Field

from ..context import ToolContext
from ..exceptions import ToolError
from ..http import HttpClient
from ..registry import tool

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
    location: Annotated[str, Field(description="The name of a city, in any language.", min_length=1, max_length=100)],
    units: Annotated[Literal["celsius", "fahrenheit"], Field(description="The temperature scale.")] = "celsius",
) -> dict:
    """Get the current weather in a city."""
    service = context.http.named("The weather service")
    place = await _find(service, location)
    forecast = await service.get_json(
        settings.OPEN_METEO_FORECAST_URL,
        latitude=place["latitude"],
        longitude=place["longitude"],
        current=CURRENT,
        temperature_unit=units,
        wind_speed_unit="mph" if units == "fahrenheit" else "kmh",
        timezone="auto",
    )
    try:
        current, written = forecast["current"], forecast["current_units"]
        return {
            "location": place["name"],
            "country": place.get("country", ""),
            "temperature": current["temperature_2m"],
            "units": units,
            "conditions": CONDITIONS.get(current["weather_code"], "unknown conditions"),
            "humidity": current["relative_humidity_2m"],
            "windSpeed": current["wind_speed_10m"],
            "windUnits": written["wind_speed_10m"].replace("mp/h", "mph"),
            "observedAt": current["time"],
        }
    except (KeyError, TypeError) as error:
        raise ToolError("The weather service answered in a form that this server does not know.") from error


async def _find(service: HttpClient, location: str) -> dict[str, Any]:
    """The best known place of that name. Open-Meteo knows no "Paris, France", but "Paris"."""
    for name in dict.fromkeys([location, location.split(",")[0].strip()]):
        answer = await service.get_json(
            settings.OPEN_METEO_GEOCODING_URL, name=name, count=1, language="en", format="json"
        )
        places = answer.get("results") if isinstance(answer, dict) else None
        if places and {"name", "latitude", "longitude"} <= places[0].keys():
            return places[0]
    raise ToolError(f"No place called {location!r} was found; ask the user which city is meant.")
