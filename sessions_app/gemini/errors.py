"""What a failure of Gemini means: try again, try without the handle, or tell the user what to do."""

import enum
import ssl
from dataclasses import dataclass

from google.genai import errors
from websockets import exceptions as ws


class Remedy(enum.Enum):
    RETRY = "retry"
    RETRY_WITHOUT_HANDLE = "retry without handle"
    FATAL = "fatal"


@dataclass(frozen=True)
class Failure:
    """Why there is no connection, and what helps: `message` is for the user, `detail` for the log."""

    remedy: Remedy
    code: str
    message: str
    detail: str


# What sending raises when there is no connection any more.
CONNECTION_LOST = (ws.WebSocketException, OSError)
# What the SDK and websockets raise, all in all (recorded with google-genai 3.4 and websockets 17.4).
CONNECTION_ERRORS = (
    errors.APIError,
    *CONNECTION_LOST,
    TypeError,
    ValueError,
)


def explain(error: BaseException, *, resuming: bool = False, where: str = "Gemini") -> Failure:
    """Judge one failure of a connection. `resuming`: it was made with a handle; `where`: the address it dialled."""
    code, reason = _code_and_reason(error)
    detail = f"{type(error).__name__} {code or ''} {reason}".strip()
    lower = reason.lower()

    def fatal(name: str, message: str) -> Failure:
        return Failure(Remedy.FATAL, name, message, detail)

    if "api key" in lower or code in (401, 403):
        return fatal(
            "api_key_invalid",
            "Gemini refuses this server's API key. Whoever runs the server sets GEMINI_API_KEY to a valid key of "
            "Google AI Studio and starts it again.",
        )
    if code == 429 or "quota" in lower or "resource_exhausted" in lower:
        return fatal(
            "quota_exhausted",
            "Gemini's quota for this server's key is used up. Try again later; whoever runs the server can raise it in "
            "Google AI Studio.",
        )
    if "is not found for api version" in lower or "not supported for bidigeneratecontent" in lower or code == 404:
        return fatal(
            "model_unknown",
            f"Gemini does not offer this model for live conversations ({reason}). Choose another one; the "
            "server's own is set by GEMINI_MODEL.",
        )
    if "location is not supported" in lower:
        return fatal("region_unsupported", "Gemini Live is not offered in this server's region. Run it elsewhere.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return fatal(
            "certificate_invalid",
            f"The certificate of {where} cannot be verified. Check GEMINI_BASE_URL and GEMINI_CA_FILE.",
        )
    if resuming and (code in (1007, 1008) or "session not found" in lower):
        return Failure(Remedy.RETRY_WITHOUT_HANDLE, "resumption_refused", "The conversation is set up anew.", detail)
    if code in (1007, 1008) or code == 400:
        return fatal(
            "setup_refused",
            f"Gemini refuses this conversation: {reason or code}. Change its model, voice, instructions or tools.",
        )
    if isinstance(error, (ws.InvalidURI, ws.InvalidHandshake)) and code is None:
        return fatal("address_invalid", f"{where} does not speak Gemini Live. Check GEMINI_BASE_URL.")
    return Failure(
        Remedy.RETRY,
        "gemini_unavailable",
        f"{where} cannot be reached. Check the network and, if it is set, GEMINI_BASE_URL; then try again.",
        detail,
    )


def _code_and_reason(error: BaseException) -> tuple[int | None, str]:
    match error:
        case errors.APIError():
            return error.code, str(error.details or error.message or "")
        case ws.InvalidStatus():
            body = (error.response.body or b"")[:300].decode(errors="replace")
            return error.response.status_code, body or error.response.reason_phrase
        case ws.ConnectionClosed():
            return (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
    return None, str(error)
