"""What REST and the WebSocket say when something cannot be."""

from rest_framework import status


class SessionUnavailable(Exception):
    """A session that cannot be opened; `close_code` is the WebSocket's, `http_status` that of REST."""

    code = "session_unavailable"
    message = "This session cannot be opened."
    close_code = 4404
    http_status = status.HTTP_409_CONFLICT
    retry_after: int | None = None
    """Seconds after which it is worth trying again."""


class LoginRequired(SessionUnavailable):
    code = "login_required"
    message = "Log in at /login, or bring a ticket: POST /api/sessions with an API token makes one."
    close_code = 4401
    http_status = status.HTTP_401_UNAUTHORIZED


class LoggedOut(SessionUnavailable):
    code = "logged_out"
    message = "You are not logged in any more. Log in, or get a new ticket, to go on."
    close_code = 4401


class TicketRefused(SessionUnavailable):
    code = "ticket_refused"
    message = (
        "This ticket has been used, has expired, or is not for this session. "
        "Get a new one with POST /api/sessions/<sessionId>/ticket."
    )
    close_code = 4401
    http_status = status.HTTP_401_UNAUTHORIZED


class CacheAway(SessionUnavailable):
    code = "cache_unavailable"
    message = "The server's cache does not answer, so no ticket can be checked. Get a new ticket and try again soon."
    close_code = 4412
    http_status = status.HTTP_503_SERVICE_UNAVAILABLE


class SessionNotFound(SessionUnavailable):
    code = "session_not_found"
    message = "No such session. Create one with POST /api/sessions and connect with its sessionId."
    close_code = 4404
    http_status = status.HTTP_404_NOT_FOUND


class SessionEnded(SessionUnavailable):
    code = "session_ended"
    message = "This session has ended. Create a new one with POST /api/sessions."
    close_code = 4410


class TooManySessions(SessionUnavailable):
    code = "too_many_sessions"
    message = "All lines are busy. Try again in a minute."
    close_code = 4429


class TooManyOfUser(SessionUnavailable):
    code = "too_many_of_user"
    message = "You have many conversations open already. Close one, then try again."
    close_code = 4429


class QuotaUsedUp(SessionUnavailable):
    code = "quota_used_up"
    close_code = 4429
    http_status = status.HTTP_429_TOO_MANY_REQUESTS

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.message, self.retry_after = message, retry_after


class TooManyOfYours(SessionUnavailable):
    code = "quota_sessions"
    close_code = 4429
    http_status = status.HTTP_429_TOO_MANY_REQUESTS
    retry_after = 10

    def __init__(self, allowed: int):
        conversations = "1 conversation" if allowed == 1 else f"{allowed} conversations"
        self.message = f"You may have {conversations} at once. End another one, then try again."
        if allowed == 0:
            self.message = "You may not start conversations here. Ask the people who run this service."
            self.retry_after = None
        super().__init__(self.message)


class ConversationsStopped(SessionUnavailable):
    code = "conversations_stopped"
    message = "No new conversations can be started just now. Try again later."
    close_code = 4429
    http_status = status.HTTP_503_SERVICE_UNAVAILABLE
    retry_after = 60

    def __init__(self, sentence: str = ""):
        self.message = sentence or self.message
        super().__init__(self.message)


class TakenOver(SessionUnavailable):
    code = "taken_over"
    message = "This conversation goes on in another tab."
    close_code = 4409


class Restarting(SessionUnavailable):
    code = "server_restarts"
    message = "The server restarts. The conversation goes on in a moment."
    close_code = 4412


class DatabaseAway(SessionUnavailable):
    code = "database_unavailable"
    message = "The server's database cannot be used just now. Try again soon; its operators find the reason in the log."
    close_code = 4412
