/** Every problem that the page itself can notice, as a cause and what to do about it. */
const SENTENCES = {
  microphone_blocked:
    "The microphone is blocked. Open the site settings beside the address, allow Microphone, then press Try again. You can type meanwhile.",
  microphone_missing: "No microphone was found. Connect one, then press Try again. You can type meanwhile.",
  microphone_busy:
    "Another program is using the microphone. Close it there, then press Try again. You can type meanwhile.",
  microphone_gone: "The microphone was disconnected. Connect it, then press Try again. You can type meanwhile.",
  microphone_failed: "The microphone could not be opened. Press Try again, or reload the page. You can type meanwhile.",
  silence: "We hear nothing. Check the microphone's mute switch or choose another microphone in the site settings.",
  insecure:
    "Browsers give the microphone to secure pages only. Open this page over https:// or on localhost. You can type meanwhile.",
  unsupported:
    "This browser cannot carry a voice conversation. Use a current Chrome, Edge, Firefox or Safari. You can type meanwhile.",
  slow_network: "The network is slow, and part of what you said was lost. Move closer to the Wi-Fi, or type.",
  unreachable: "The server does not answer. Check that it runs and that you are online, then press Try again.",
  lost: "The connection was lost and five attempts did not bring it back. Check your network, then press Try again.",
  gemini: "Gemini does not answer. Press Try again; if that does not help, look at the server's terminal.",
  refused: "The server refused the session. Reload the page and press Start.",
  timeout: "Connecting takes too long. Check the server's terminal for the reason, then press Try again.",
};

const RETRYABLE = new Set([
  "microphone_blocked",
  "microphone_missing",
  "microphone_busy",
  "microphone_gone",
  "microphone_failed",
  "unreachable",
  "lost",
  "gemini",
  "timeout",
]);

const MEDIA_ERRORS = {
  NotAllowedError: "microphone_blocked",
  SecurityError: "microphone_blocked",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

/** What the WebSocket's close codes mean; where the server sent an `error` first, its sentence goes before these. */
const CLOSED = {
  1000: "The conversation has ended. Press Start for a new one.",
  4400: "The server closed the conversation after too many messages that it could not read. Reload the page.",
  4401: "Log in first, then reload this page.",
  4404: "This session is not known any more. Press Start for a new one.",
  4408: "The conversation was closed because nothing was said for long. Press Start to go on.",
  4409: "This conversation goes on in another tab. Press Start for a new one here.",
  4410: "The session has expired. Press Start for a new one.",
  4413: "A message was larger than the server takes. Send a shorter one.",
  4429: "All lines are busy. Wait a moment, then press Try again.",
};

/** An error whose message is a sentence for the person; `code` is stable. */
export class Problem extends Error {
  constructor(code, sentence = "") {
    super(sentence || SENTENCES[code]);
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
  }

  /** A browser's error while it opened a microphone. */
  static of(error) {
    return error instanceof Problem ? error : new Problem(MEDIA_ERRORS[error.name] ?? "microphone_failed");
  }

  static ofClose(code) {
    return new Problem(`closed_${code}`, CLOSED[code] ?? `The server closed the connection (${code}). Press Start to connect again.`);
  }
}
