"""Who comes in, as whom, and what he sees: origins, tickets, tokens, logins, lockout, owners."""

from ..breakage import Breakage, Edit

ADDRESS = "sessions_app/access/address.py"
EPHEMERAL = "sessions_app/access/ephemeral.py"
LOGINS = "sessions_app/access/logins.py"
PERMISSIONS = "sessions_app/access/permissions.py"
SESSIONS = "sessions_app/access/sessions.py"
TICKETS = "sessions_app/access/tickets.py"
WEBSOCKET = "sessions_app/access/websocket.py"

BREAKAGES = [
    Breakage(
        "every origin is let in",
        "tests/integration/test_voice.py::test_another_origin_is_refused_in_the_handshake",
        Edit(WEBSOCKET, "return len(origins) == 1 and", "return len(origins) == 1 or"),
    ),
    Breakage(
        "whoever has no ticket needs no origin",
        "tests/integration/test_voice.py::test_another_origin_is_refused_in_the_handshake",
        Edit(WEBSOCKET, "await (self._by_cookie if is_allowed else WebsocketDenier())", "await self._by_cookie"),
    ),
    Breakage(
        "a ticket works twice",
        "tests/integration/access/test_tickets.py::test_a_ticket_works_once",
        Edit(TICKETS, "    if not is_first:\n        raise TicketRefused\n", ""),
    ),
    Breakage(
        "a ticket opens any session",
        "tests/integration/access/test_tickets.py::test_a_ticket_that_is_none_opens_nothing",
        Edit(TICKETS, 'if session != session_id.replace("-", "").lower():', "if not session:"),
    ),
    Breakage(
        "a ticket never expires",
        "tests/integration/access/test_tickets.py::test_a_ticket_that_is_none_opens_nothing",
        Edit(TICKETS, "max_age=settings.TICKET_SECONDS", "max_age=None"),
    ),
    Breakage(
        "without its cache the server lets tickets pass",
        "tests/integration/access/test_tickets.py::test_without_its_cache_the_server_lets_no_ticket_pass_and_says_so",
        Edit(TICKETS, "        raise CacheAway from None\n", "        is_first = True\n"),
    ),
    Breakage(
        "a closed account's ticket is good",
        "tests/integration/access/test_tickets.py::test_a_ticket_that_is_none_opens_nothing",
        Edit(TICKETS, ".filter(pk=owner, is_active=True)", ".filter(pk=owner)"),
    ),
    Breakage(
        "REST lets everybody in",
        "tests/integration/access/test_matrix.py::test_who_may_do_what",
        Edit(PERMISSIONS, "        if not may_enter(request.user):\n", "        if request.user is None:\n"),
    ),
    Breakage(
        "what is not closed is open",
        "tests/integration/access/test_matrix.py::test_who_may_do_what",
        Edit(PERMISSIONS, "return settings.GEMLIVE_ACCESS == OPEN", "return settings.GEMLIVE_ACCESS != LOGIN.upper()"),
    ),
    Breakage(
        "somebody else's session opens",
        "tests/integration/test_voice.py::test_somebody_elses_session_is_unknown",
        Edit(SESSIONS, "return LiveSession.objects.filter(whose)", "return LiveSession.objects.all()"),
    ),
    Breakage(
        "a session without an account is everybody's",
        "tests/integration/access/test_tickets.py::"
        "test_a_session_without_an_account_is_nobodys_where_people_log_in",
        Edit(SESSIONS, "    if is_open():\n        whose |= Q(user=None)\n", "    whose |= Q(user=None)\n"),
    ),
    Breakage(
        "the list shows everybody's sessions",
        "tests/integration/lists/test_session_list.py::"
        "test_everybody_sees_his_own_and_nobody_those_without_an_account",
        Edit(SESSIONS, "return LiveSession.objects.filter(user=user) if user.is_authenticated else",
             "return LiveSession.objects.all() if user.is_authenticated else"),
    ),
    Breakage(
        "the list shows everybody's tool calls",
        "tests/integration/tools/test_tool_calls_rest.py::test_who_sees_which_calls",
        Edit(SESSIONS, "return ToolCall.objects.filter(session__user=user) if user.is_authenticated else",
             "return ToolCall.objects.all() if user.is_authenticated else"),
    ),
    Breakage(
        "an ended session opens again",
        "tests/integration/test_voice.py::test_an_ended_session_is_told_and_closed_4410",
        Edit(SESSIONS, "        raise SessionEnded\n", "        pass\n"),
    ),
    Breakage(
        "another password leaves conversations open",
        "tests/integration/access/test_logged_out.py::"
        "test_what_a_login_opened_ends_with_it_and_nothing_else_does",
        Edit(LOGINS, "if passwords.get(login.user_id) != login.password or login", "if login"),
    ),
    Breakage(
        "who has logged out goes on talking",
        "tests/integration/access/test_logged_out.py::"
        "test_what_a_login_opened_ends_with_it_and_nothing_else_does",
        Edit(LOGINS, "!= login.password or login.session_key not in kept", "!= login.password"),
    ),
    Breakage(
        "an address may try any number of names",
        "tests/integration/access/test_login.py::test_an_address_that_tries_many_names_has_to_wait",
        Edit("sessions_app/access/lockout.py", "return max(failures, settings.LOGIN_ATTEMPTS)", "return failures"),
    ),
    Breakage(
        "a caller names his own address",
        "tests/unit/test_address.py::test_the_address_of_a_caller",
        Edit(ADDRESS, "_address(entries[-proxies])", "_address(entries[0])"),
    ),
    Breakage(
        "an ephemeral token is for any number of conversations",
        "tests/integration/access/test_ephemeral_tokens.py::test_a_token_is_for_one_conversation",
        Edit(EPHEMERAL, "        uses=1,\n", "        uses=0,\n"),
    ),
    Breakage(
        "an ephemeral token takes any configuration",
        "tests/integration/access/test_ephemeral_tokens.py::"
        "test_whatever_a_client_asks_for_it_gets_the_sessions_configuration",
        Edit(EPHEMERAL, "        live_connect_constraints=types.LiveConnectConstraints("
             "model=setup.model, config=setup.config()),\n", ""),
    ),
    Breakage(
        "a wrong API token says why",
        "tests/integration/access/test_tokens.py::test_a_token_that_is_none_is_answered_alike",
        Edit("sessions_app/access/authentication.py", "except (AuthenticationFailed, ValueError):",
             "except ValueError:"),
    ),
    Breakage(
        "a user has any number of connections",
        "tests/integration/test_user_limit.py::test_a_user_gets_so_many_and_is_told_why",
        Edit("sessions_app/consumers.py", ">= settings.CONNECTIONS_PER_USER:", "< 0:"),
    ),
    Breakage(
        "an API's secret comes back",
        "tests/integration/tools/test_external_apis.py::test_a_secret_goes_to_its_host_and_comes_back_in_no_form",
        Edit("tools_app/http.py", "await redactor.clean(response.content)", "response.content"),
    ),
]  # fmt: skip
