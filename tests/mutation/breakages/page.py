"""The voice page. The first ten leave a page that looks healthy, and sends or plays no sound, or the wrong one."""

from ..breakage import Breakage, Edit

CAPTURE = "static/js/capture.js"
CAPTURE_WORKLET = "static/js/worklets/capture_worklet.js"
PLAYBACK_WORKLET = "static/js/worklets/playback_worklet.js"
PLAYER = "static/js/player.js"
SOCKET = "static/js/socket.js"
STATE = "static/js/state.js"
TRANSCRIPT = "static/js/transcript.js"

POST = "this.port.postMessage({ buffer, level }, [buffer]);"
CONNECT = "this.#node.connect(context.destination);"
SILENTLY = "this.#node.connect(new GainNode(context, { gain: 0 })).connect(context.destination);"
AWAKE = "await wake(this.#context);\n      this.#context.onstatechange"
WAKING = """if (!(await wake(context))) this.#handlers.problem(new Problem("sound_blocked"));
    context.onstatechange = () => this.#stateChanged(context);"""
BIG_ENDIAN = (
    "const bytes = new DataView(buffer);"
    "for (let at = 0; at < buffer.byteLength; at += 2) bytes.setInt16(at, bytes.getInt16(at, true));"
)
FLOATS = "Float32Array.from(new Int16Array(buffer), (value) => value / 32768).buffer"

HEARD_BY_GEMINI = "tests/e2e/test_microphone.py::test_gemini_hears_the_very_wave"
HEARD_WHOLE = "tests/e2e/test_loudspeaker.py::test_a_reply_is_heard_whole_once_and_at_its_pitch"
DECIDES = "tests/e2e/test_tools.py::test_a_person_sees_what_is_asked_and_decides"
REDUCER = "tests/e2e/test_state.py::test_one_thing_after_the_other"

BREAKAGES = [
    Breakage(
        "zeros from the worklet",
        HEARD_BY_GEMINI,
        Edit(CAPTURE_WORKLET, POST, f"new Int16Array(buffer).fill(0); {POST}"),
    ),
    Breakage(
        "source unconnected",
        HEARD_BY_GEMINI,
        Edit(CAPTURE, f"source.connect(this.#node);\n      {AWAKE}", AWAKE),
    ),
    Breakage(
        "48 kHz sent as 16 kHz",
        HEARD_BY_GEMINI,
        Edit(CAPTURE, "{ sampleRate: RATE }", "{ sampleRate: 48000 }"),
        Edit(CAPTURE_WORKLET, "sampleRate === RATE ?", "sampleRate ?"),
    ),
    Breakage("big-endian", HEARD_BY_GEMINI, Edit(CAPTURE_WORKLET, POST, f"{BIG_ENDIAN} {POST}")),
    Breakage(
        "float32",
        HEARD_BY_GEMINI,
        Edit(CAPTURE, "this.#onFrame(buffer, level);", f"this.#onFrame({FLOATS}, level);"),
    ),
    Breakage(
        "alternate frames dropped",
        HEARD_BY_GEMINI,
        Edit(CAPTURE_WORKLET, POST, f"if (this.#sequence % 2) {POST}"),
    ),
    Breakage("playback unconnected", HEARD_WHOLE, Edit(PLAYER, CONNECT, "")),
    Breakage("gain 0", HEARD_WHOLE, Edit(PLAYER, CONNECT, SILENTLY)),
    Breakage("wrong playback rate", HEARD_WHOLE, Edit(PLAYER, "const RATE = 24000;", "const RATE = 48000;")),
    Breakage("output suspended", HEARD_WHOLE, Edit(PLAYER, WAKING, "await context.suspend();")),
    Breakage(
        "the resampler lets aliases through",
        "tests/e2e/test_worklets.py::test_capture_lets_no_alias_through",
        Edit(CAPTURE_WORKLET, "(0.465 * to) / from", "(0.93 * to) / from"),
    ),
    Breakage(
        "what was flushed counts as heard",
        "tests/e2e/test_worklets.py::test_flush_is_silent_after_5_ms_and_counts_every_sample",
        Edit(PLAYBACK_WORKLET, "turn, played, dropped: waiting", "turn, played: played + waiting, dropped: 0"),
    ),
    Breakage(
        "a flushed reply goes on",
        "tests/e2e/test_worklets.py::test_flush_is_silent_after_5_ms_and_counts_every_sample",
        Edit(PLAYBACK_WORKLET, "    this.#segments = [];\n    this.#ring.clear();\n", ""),
    ),
    Breakage(
        "a short reply is never played",
        "tests/e2e/test_worklets.py::test_reply_shorter_than_the_prebuffer_is_played_at_its_end",
        Edit(PLAYBACK_WORKLET, ">= this.#prebuffer || segment.ended;", ">= this.#prebuffer;"),
    ),
    Breakage(
        "after Esc the page plays what is on its way",
        "tests/e2e/test_barge_in.py::test_escape_stops_a_reply_and_the_next_one_plays",
        Edit(PLAYER, "    this.#discarding = !this.#ended;\n", ""),
    ),
    Breakage(
        "who is muted is heard",
        "tests/e2e/test_conversation.py::test_mute_sends_nothing_and_says_so_to_gemini",
        Edit(STATE, "microphone && (talking || !(muted || manual))", "microphone && (talking || !manual)"),
    ),
    Breakage(
        "a typed message stands twice",
        "tests/e2e/test_conversation.py::test_typed_message_needs_no_microphone",
        Edit(TRANSCRIPT, "if (isUser && this.#typed[0]?.message.text === delta.trim()) {", "if (isUser && !delta) {"),
    ),
    Breakage(
        "what was typed is lost with the network",
        "tests/e2e/test_faults_network.py::test_what_is_typed_while_the_network_is_away_arrives_once",
        Edit("static/js/outbox.js", "    this.#waiting = this.#transcript.unconfirmed;\n", ""),
    ),
    Breakage(
        "Deny allows",
        DECIDES,
        Edit("static/js/tool_card.js", "() => answer(false)", "() => answer(true)"),
    ),
    Breakage(
        "a click does not say what it agrees to",
        DECIDES,
        Edit("static/js/tool_cards.js", "callId, approved, argsHash })", "callId, approved })"),
    ),
    Breakage(
        "a failed tool says nothing",
        "tests/e2e/test_conversation.py::test_failed_tool_says_why",
        Edit("static/js/tool_cards.js", "    this.#cards.get(result.callId)?.finish(result);\n", ""),
    ),
    Breakage(
        "a page that is loaded anew forgets its session",
        "tests/e2e/test_reload.py::test_what_was_said_is_back_and_start_goes_on",
        Edit(SOCKET, "#sessionId = remembered();", "#sessionId = null;"),
    ),
    Breakage(
        "a reply that was heard leaves the page speaking",
        REDUCER,
        Edit(STATE, 'phase: from("speaking") ? after : state.phase', "phase: state.phase"),
    ),
    Breakage(
        "a tool's question is forgotten when it ends",
        REDUCER,
        Edit(STATE, "return { ...state, tool: null, asking: null };", "return { ...state, tool: null };"),
    ),
    Breakage(
        "a lost connection leaves the button held",
        REDUCER,
        Edit(STATE, "const { attempt, attempts, talking = false } = action;",
             "const { attempt, attempts, talking = state.talking } = action;"),
    ),
]  # fmt: skip
