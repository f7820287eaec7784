"""All breakages, by the area of the product that they break."""

from ..breakage import Breakage
from . import access, audio, emulator, page, quotas, resumption, saving, sql, tools

AREAS: dict[str, list[Breakage]] = {
    "audio": audio.BREAKAGES,
    "resumption": resumption.BREAKAGES,
    "tools": tools.BREAKAGES,
    "sql": sql.BREAKAGES,
    "access": access.BREAKAGES,
    "quotas": quotas.BREAKAGES,
    "saving": saving.BREAKAGES,
    "emulator": emulator.BREAKAGES,
    "page": page.BREAKAGES,
}
