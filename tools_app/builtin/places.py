"""Which place is meant, by Open-Meteo's geocoding (https://open-meteo.com/en/docs/geocoding-api)."""

import asyncio
import re
import unicodedata
from typing import Any

from django.conf import settings
from pydantic import BaseModel, TypeAdapter, ValidationError

from ..caching import remembered
from ..exceptions import ToolError
from ..http import HttpClient

CACHE_SECONDS = 24 * 3600
# A place with so many times the people of the next one is meant unless somebody says otherwise.
DOMINANCE = 10
TOLD = 5
# The languages that the service translates into, besides English.
LANGUAGES = ("de", "fr", "es", "it", "pt", "ru", "tr", "hi")
# Destroyed, abandoned, historical (https://www.geonames.org/export/codes.html).
GONE = ("PPLW", "PPLQ", "PPLH")
COUNTRIES = {"US": ("usa", "america"), "GB": ("uk", "great britain", "britain"), "AE": ("uae",)}
# As people and models write them; the service knows full names only.
STATES = {
    name: code.lower()
    for code, name in re.findall(
        r"(\w\w) ([^,]+)",
        "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, "
        "DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, "
        "KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, "
        "MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, "
        "NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, "
        "PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, "
        "VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming",
    )
}


class Place(BaseModel):
    """As the service has it; `admin1` is the state or region."""

    id: int
    name: str
    latitude: float
    longitude: float
    country: str = ""
    country_code: str = ""
    admin1: str = ""
    admin2: str = ""
    admin3: str = ""
    population: int = 0
    feature_code: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.name, self.admin1, self.country)))


PLACES = TypeAdapter(list[Place])


async def find(service: HttpClient, location: str) -> Place:
    """The place that is meant by "Paris", "Paris, Texas", "Paris TX" or "Paris, Frankreich".

    Raises ToolError with a question for the user if that is none, or one of several.
    """
    others: list[Place] = []
    for name, inside in _readings(location):
        places = await _search(service, name, count=100 if inside else 10)
        fitting = [place for place in places if _lies_in(place, inside)]
        if places and not fitting:
            fitting = await _by_other_languages(service, name, inside, places)
        if fitting:
            return _the_one(name, fitting)
        others = others or places
    if others and "," in location:
        raise ToolError(
            f"No place called {location!r} was found, but these: {_list(_sorted(others))}. "
            "Ask the user which one is meant."
        )
    raise ToolError(f"No place called {location!r} was found; ask the user which city is meant.")


def _readings(location: str) -> list[tuple[str, str]]:
    """Name, and what it lies in: by the comma, else all of it, else "Paris Texas" as "Paris" in "Texas"."""
    name, comma, inside = location.strip(" ,").partition(",")
    words = name.split()
    if comma:
        return [(name.strip(), normalised(inside))]
    return [(name, "")] + [
        (" ".join(words[:-count]), normalised(" ".join(words[-count:]))) for count in range(1, min(len(words), 4))
    ]


async def _search(service: HttpClient, name: str, *, count: int, language: str = "en") -> list[Place]:
    query = {"name": name, "count": count, "language": language, "format": "json"}

    async def ask() -> Any:
        answer = await service.get_json(settings.OPEN_METEO_GEOCODING_URL, **query)
        try:
            # `results` is left out where nothing was found; null means the same as left out.
            found = [{key: value for key, value in item.items() if value is not None} for item in answer["results"]]
        except KeyError:
            return []
        except (AttributeError, TypeError):
            raise _unknown_form() from None
        _read(found)
        return found

    return _read(await remembered([settings.OPEN_METEO_GEOCODING_URL, query], CACHE_SECONDS, ask))


def _read(found: Any) -> list[Place]:
    try:
        return PLACES.validate_python(found)
    except ValidationError:
        raise _unknown_form() from None


def _unknown_form() -> ToolError:
    return ToolError("The weather service answered in a form that this server does not know; try again later.")


async def _by_other_languages(service: HttpClient, name: str, inside: str, places: list[Place]) -> list[Place]:
    """Those of `places` that lie in "Frankreich" or "Francia"."""
    answers = await asyncio.gather(
        *(_search(service, name, count=100, language=language) for language in LANGUAGES), return_exceptions=True
    )
    ids = {
        place.id for answer in answers if not isinstance(answer, BaseException) for place in answer
        if _lies_in(place, inside)
    }  # fmt: skip
    return [place for place in places if place.id in ids]


def _lies_in(place: Place, inside: str) -> bool:
    names = [place.country, place.country_code, place.admin1, place.admin2, place.admin3]
    names += COUNTRIES.get(place.country_code, ())
    if place.country_code == "US":
        names.append(STATES.get(place.admin1, ""))
    return _made_of(inside, {normalised(name) for name in names} - {""})


def _made_of(text: str, names: set[str]) -> bool:
    """Whether the text is nothing but names: "illinois usa"."""
    if not text:
        return True
    return any(_made_of(text[len(name) :].strip(), names) for name in names if f"{text} ".startswith(f"{name} "))


def _the_one(name: str, places: list[Place]) -> Place:
    """The place that is meant if nobody says more. Raises ToolError if that is a guess."""
    wanted = normalised(name)
    places = _sorted(places)
    same = [place for place in places if normalised(place.name) == wanted]
    # Longer names are found, too: "San Francisco de Macorís" is no rival of "San Francisco".
    largest = normalised(places[0].name)
    rivals = [places[0], *(place for place in places[1:] if normalised(place.name) in (wanted, largest))]
    for candidates in (rivals, same):
        if candidates and all(_dominates(candidates[0], other) for other in candidates[1:]):
            return candidates[0]
    raise ToolError(
        f"There are several places called {name}: {_list(same or rivals)}. Ask the user which one is meant."
    )


def _sorted(places: list[Place]) -> list[Place]:
    """Cities, towns and villages if there are any, the largest first, and of those that are told alike one."""
    towns = [place for place in places if place.feature_code.startswith("PPL") and place.feature_code not in GONE]
    largest_first = sorted(towns or places, key=lambda place: -place.population)
    return list({str(place): place for place in reversed(largest_first)}.values())[::-1]


def _dominates(place: Place, other: Place) -> bool:
    return place.population > 0 and place.population >= DOMINANCE * other.population


def _list(places: list[Place]) -> str:
    return "; ".join(map(str, places[:TOLD])) + ("; and others" if len(places) > TOLD else "")


def normalised(text: str) -> str:
    """ "D.C." → "dc", "Île-de-France" → "ile de france"."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(re.sub(r"\W+", " ", re.sub(r"[.'’]", "", plain.casefold())).split())
