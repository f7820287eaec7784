"""Who may come in, and from where: docs/access.md."""

from datetime import timedelta

from .environment import DEBUG, PORT, env

# "open": everybody may talk, who holds a session's id may use it. "login": only people with an account, and programs
# with a token of one. gemlive.E007 refuses "open" without DEBUG.
GEMLIVE_ACCESS = env.str("GEMLIVE_ACCESS", default="") or ("open" if DEBUG else "login")
# Seconds in which a ticket opens a WebSocket, once; days for which an API token is valid.
TICKET_SECONDS = env.int("TICKET_SECONDS", default=30)
TOKEN_DAYS = env.int("TOKEN_DAYS", default=90)
# Wrong passwords for one name from one address after which that address waits so many minutes.
LOGIN_ATTEMPTS = env.int("LOGIN_ATTEMPTS", default=5)
LOGIN_LOCKOUT_MINUTES = env.int("LOGIN_LOCKOUT_MINUTES", default=15)
# And wrong passwords for all names together from one address (of a /64 for IPv6); 0: any number.
LOGIN_ATTEMPTS_PER_ADDRESS = env.int("LOGIN_ATTEMPTS_PER_ADDRESS", default=50)
# Proxies of ours in front of the server: so many entries of X-Forwarded-For, from the right, are believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL, LOGIN_REDIRECT_URL = "login", "voice"
AXES_FAILURE_LIMIT = LOGIN_ATTEMPTS
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_LOCKOUT_MINUTES)
# Both together: nobody can lock somebody else out of his account. What an address may do for all names, AXES_HANDLER
# knows.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "sessions_app.access.lockout.Handler"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_CLIENT_IP_CALLABLE = "sessions_app.access.address.of_request"
AXES_LOCKOUT_CALLABLE = "sessions_app.access.lockout.locked_out"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # sessions_app/access/admin.py shows what is not always empty
REST_KNOX = {"TOKEN_TTL": timedelta(days=TOKEN_DAYS)}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Pages of other origins -------------------------------------------------------------------------------------------

# Exact origins (scheme, host, port) of pages that may call REST and open the WebSocket.
ALLOWED_ORIGINS = env.list(
    "ALLOWED_ORIGINS",
    default=["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:5500"] if DEBUG else [],
)
if DEBUG:
    ALLOWED_ORIGINS += [f"http://localhost:{PORT}", f"http://127.0.0.1:{PORT}"]
CORS_ALLOWED_ORIGINS = [origin for origin in ALLOWED_ORIGINS if origin != "null"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = ("accept", "authorization", "content-type", "x-csrftoken", "x-requested-with", "x-user-id")
# So that a person can tell it to who reads the log.
CORS_EXPOSE_HEADERS = ("retry-after", "x-request-id")
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS
