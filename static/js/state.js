/**
 * What the page is doing, as one value; `reduce` is the only way from one to the next.
 * `speaking` begins and ends with the playback worklet, never with a packet's arrival.
 */
export const INITIAL = { phase: "idle", microphone: false, muted: false, playing: false, tool: null, attempt: 0, attempts: 0 };

const CONNECTED = new Set(["listening", "thinking", "speaking", "interrupted"]);

export const isConnected = ({ phase }) => CONNECTED.has(phase);
/** Whether there is a conversation that can be ended. */
export const isOpen = (state) => isConnected(state) || state.phase === "connecting" || state.phase === "reconnecting";

export function reduce(state, action) {
  const from = (...phases) => phases.includes(state.phase);
  switch (action.type) {
    case "connecting":
      return { ...INITIAL, phase: "connecting" };
    case "connected":
      if (isConnected(state)) return state;
      return { ...state, phase: state.playing ? "speaking" : "listening", attempt: 0 };
    case "reconnecting":
      return { ...state, phase: "reconnecting", tool: null, attempt: action.attempt, attempts: action.attempts };
    case "microphone":
      return { ...state, microphone: action.open, muted: false };
    case "muted":
      return { ...state, muted: action.muted };
    case "awaiting_reply":
      return from("listening", "interrupted") ? { ...state, phase: "thinking" } : state;
    case "tool_started":
      return { ...state, tool: action.name, phase: from("listening", "interrupted") ? "thinking" : state.phase };
    case "tool_ended":
      return { ...state, tool: null };
    case "turn_ended":
      return from("thinking") ? { ...state, phase: "listening", tool: null } : state;
    case "reply_started":
      return { ...state, playing: true, phase: isConnected(state) ? "speaking" : state.phase };
    case "reply_ended": {
      const after = state.tool ? "thinking" : "listening";
      return { ...state, playing: false, phase: from("speaking") ? after : state.phase };
    }
    case "interrupted":
      return from("speaking", "thinking") ? { ...state, phase: "interrupted", tool: null } : state;
    case "settled":
      return from("interrupted") ? { ...state, phase: "listening" } : state;
    case "failed":
      return { ...INITIAL, phase: "error" };
    case "ended":
      return INITIAL;
    default:
      throw new TypeError(`The page knows no action ${action.type}.`);
  }
}

/** @returns {{label: string, hint: string}} the state in words */
export function describe({ phase, microphone, muted, tool, attempt, attempts }) {
  switch (phase) {
    case "idle":
      return { label: "Ready", hint: "Press Start and speak, or type" };
    case "connecting":
      return { label: "Connecting…", hint: "Allow the microphone if the browser asks" };
    case "listening":
      if (!microphone) return { label: "Ready", hint: "Type a message, or press Speak" };
      return muted ? { label: "Muted", hint: "Press M to speak again" } : { label: "Listening", hint: "Ask something" };
    case "thinking":
      return { label: "Thinking…", hint: tool ? `Using ${tool}` : "" };
    case "speaking":
      return { label: "Speaking", hint: microphone && !muted ? "Talk to interrupt, or press Esc" : "Press Esc to interrupt" };
    case "interrupted":
      return { label: "Interrupted", hint: "Go on" };
    case "reconnecting":
      return {
        label: attempt ? `Reconnecting (${attempt} of ${attempts})…` : "Reconnecting…",
        hint: "The conversation goes on where it stopped",
      };
    default:
      return { label: "Not connected", hint: "You can type, or press Start" };
  }
}
