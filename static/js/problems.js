import { gettext } from "./i18n.js";

/**
 * The server's errors, by their codes. Its sentences are for programs, too: where ours is empty, the server's tells more,
 * such as the name of a setting or a number of minutes.
 */
const SAID_BY_SERVER = {
  login_required: [gettext("You are not logged in any more. Log in, and the conversation goes on."), "login"],
  logged_out: [gettext("You are not logged in any more. Log in, and the conversation goes on."), "login"],
  not_authenticated: [gettext("You are not logged in. Press Log in, then Start."), "login"],
  session_not_found: [gettext("This conversation is not known any more. Press Start for a new one."), "start"],
  session_ended: [gettext("This conversation has ended. Press Start for a new one."), "start"],
  taken_over: [gettext("This conversation goes on in another tab. Press Start for a new one here."), "start"],
  idle: ["", "start"],
  too_long: ["", "start"],
  not_reading: [gettext("The network is too slow for the voice. Move closer to the Wi-Fi, then press Start to go on."), "start"],
  internal_error: [gettext("Something in the server broke; its log says what. Press Start for a new conversation."), "start"],
  too_many_bad_frames: [gettext("The server could not read what this page sent. Reload the page, then press Start to go on.")],
  too_fast: [gettext("This page sent more than the server takes. Reload the page, then press Start to go on.")],
  too_many_sessions: [gettext("All lines are busy."), "retry"],
  quota_sessions: ["", "retry"],
  quota_used_up: ["", "retry"],
  conversations_stopped: ["", "retry"],
  server_restarts: [gettext("The server starts again. The conversation goes on in a moment."), "retry"],
  database_unavailable: [gettext("The server's database does not answer. Wait a moment, then press Try again."), "retry"],
  setting_refused: ["", "settings"],
  model_unknown: ["", "settings"],
  setup_refused: ["", "settings"],
};

/**
 * Every problem that the page itself can notice: a cause and what to do about it, and the button that does it:
 * "retry" and "start" start (or open the microphone) again, "settings" opens them, "login" the login page, "resume" wakes the sound up.
 */
const KNOWN = {
  microphone_blocked: [
    gettext(
      "The microphone is blocked. Open the site settings beside the address, allow Microphone, then press Try again. You can type meanwhile.",
    ),
    "retry",
  ],
  microphone_missing: [gettext("No microphone was found. Connect one, then press Try again. You can type meanwhile."), "retry"],
  microphone_busy: [
    gettext("Another program is using the microphone. Close it there, then press Try again. You can type meanwhile."),
    "retry",
  ],
  microphone_gone: [
    gettext("The microphone was disconnected, or its permission was taken back. Connect or allow it, then press Try again. You can type meanwhile."),
    "retry",
  ],
  microphone_failed: [
    gettext("The microphone could not be opened. Press Try again, or reload the page. You can type meanwhile."),
    "retry",
  ],
  microphone_forgotten: [
    gettext("The microphone that you chose is not there any more. Another one is used; choose one in the settings."),
    "settings",
  ],
  silence: [gettext("We hear nothing. Check the microphone's mute switch, or choose another microphone."), "settings"],
  hands_free: [
    gettext("This headset's microphone makes everything sound like a telephone. Choose the computer's microphone for better sound."),
    "settings",
  ],
  speaker_forgotten: [
    gettext("The loudspeaker that you chose is not there any more. The computer's own is used; choose one in the settings."),
    "settings",
  ],
  sound_blocked: [gettext("The browser holds the sound back. Tap Turn sound on."), "resume"],
  camera_blocked: [
    gettext("The camera is blocked. Open the site settings beside the address, allow Camera, then press Try again. The conversation goes on without it."),
    "retry",
  ],
  camera_missing: [
    gettext("No camera was found. Connect one, then press Try again. The conversation goes on without it."),
    "retry",
  ],
  camera_busy: [
    gettext("Another program is using the camera. Close it there, then press Try again. The conversation goes on without it."),
    "retry",
  ],
  camera_gone: [
    gettext("The camera was disconnected, or its permission was taken back. Connect or allow it, then press Try again. The conversation goes on without it."),
    "retry",
  ],
  camera_failed: [
    gettext("The camera could not be opened. Press Try again, or choose another one in the settings. The conversation goes on without it."),
    "retry",
  ],
  camera_forgotten: [
    gettext("The camera that you chose is not there any more. Another one is used; choose one in the settings."),
    "settings",
  ],
  screen_blocked: [
    gettext("The screen could not be captured. Allow the browser to record the screen in the system's privacy settings, then press Try again. The conversation goes on without it."),
    "retry",
  ],
  screen_unsupported: [
    gettext("This browser cannot share the screen; phones never can. Share the camera, or open this page on a computer."),
  ],
  insecure: [
    gettext(
      "Browsers give microphone, camera and screen to secure pages only. Open this page over https:// or on localhost. You can type meanwhile.",
    ),
  ],
  unsupported: [
    gettext(
      "This browser cannot carry a voice conversation. Use a current Chrome, Edge, Firefox or Safari. You can type meanwhile.",
    ),
  ],
  slow_network: [gettext("The network is slow, and part of what you said was lost. Move closer to the Wi-Fi, or type.")],
  offline: [gettext("You are offline. The conversation goes on as soon as the network is back."), "retry"],
  unreachable: [
    gettext("The server does not answer. Check that it runs and that you are online, then press Try again."),
    "retry",
  ],
  lost: [
    gettext("The connection was lost and five attempts did not bring it back. Check your network, then press Try again."),
    "retry",
  ],
  gemini: [gettext("Gemini does not answer. Press Try again; if that does not help, look at the server's terminal."), "retry"],
  refused: [gettext("The server refused the session. Reload the page and press Start.")],
  timeout: [gettext("Connecting takes too long. Press Try again; if that does not help, look at the server's terminal."), "retry"],
  closed: [gettext("The server closed the connection. Press Start to connect again."), "start"],
  ...SAID_BY_SERVER,
};

const MICROPHONE_ERRORS = {
  NotAllowedError: "microphone_blocked",
  SecurityError: "microphone_blocked",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

/** What the WebSocket's close codes mean where no `error` of the server came before. */
const CLOSED = {
  1000: "session_ended",
  4400: "too_many_bad_frames",
  4401: "login_required",
  4404: "session_not_found",
  4408: "not_reading",
  4409: "taken_over",
  4410: "session_ended",
  4412: "server_restarts",
  4429: "too_many_sessions",
};
const BUSY = 10; // s until the first new attempt
const LONGEST_COUNTDOWN = 120; // s; a longer wait stands as a time in the server's sentence

/** An error whose message is a sentence for the person; `code` is stable. */
export class Problem extends Error {
  /** Those that are over when the network is back. */
  static NETWORK = ["offline", "unreachable", "lost"];

  /** Seconds after which the page tries again by itself. */
  retryAfter = null;

  constructor(code, sentence = "") {
    const [known, action = null] = KNOWN[code] ?? [];
    super(sentence || known);
    this.code = code;
    this.action = action;
  }

  get isOfNetwork() {
    return Problem.NETWORK.includes(this.code);
  }

  /** A browser's error while it opened a microphone. */
  static of(error) {
    return error instanceof Problem ? error : new Problem(MICROPHONE_ERRORS[error.name] ?? "microphone_failed");
  }

  /** Something did not come over the network. */
  static network() {
    return new Problem(navigator.onLine ? "unreachable" : "offline");
  }

  /** The server's `error`: in words of ours where we have better ones for a person. */
  static said({ code, message, retryAfter = null }) {
    const [known] = SAID_BY_SERVER[code] ?? [];
    const problem = new Problem(code, known || message);
    if (retryAfter <= LONGEST_COUNTDOWN) problem.retryAfter = retryAfter;
    return problem;
  }

  /** @param {{code: string, message: string, retryAfter?: number} | null} said the server's last `error` */
  static ofClose(code, said) {
    const problem = said ? Problem.said(said) : new Problem(CLOSED[code] ?? "closed");
    if (problem.code === "too_many_sessions") problem.retryAfter = BUSY;
    return problem;
  }
}
