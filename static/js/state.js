import { gettext, interpolate } from "./i18n.js";

/**
 * What the page is doing, as one value; `reduce` is the only way from one to the next.
 * `speaking` begins and ends with the playback worklet, never with a packet's arrival.
 * `manual`: push-to-talk; `talking`: the key or button is held; `goesOn`: an earlier conversation can be taken up.
 * `tool` is at work; `asking`: a tool waits for a click.
 */
export const INITIAL = {
  phase: "idle",
  microphone: false,
  muted: false,
  manual: false,
  talking: false,
  playing: false,
  goesOn: false,
  tool: null,
  asking: null,
  attempt: 0,
  attempts: 0,
};

const CONNECTED = new Set(["listening", "thinking", "speaking", "interrupted"]);

export const isConnected = ({ phase }) => CONNECTED.has(phase);
/** Whether there is a conversation that can be ended. */
export const isOpen = (state) => isConnected(state) || state.phase === "connecting" || state.phase === "reconnecting";
/** Whether what the microphone hears goes to the server. */
export const isHeard = ({ microphone, muted, manual, talking }) => microphone && (talking || !(muted || manual));

/** There is an answer, or one to come, that somebody may want to stop. */
export const canInterrupt = ({ phase }) => phase === "speaking" || phase === "thinking";

export function reduce(state, action) {
  const from = (...phases) => phases.includes(state.phase);
  switch (action.type) {
    case "connecting":
      return { ...INITIAL, phase: "connecting", manual: action.manual };
    case "connected":
      if (isConnected(state)) return state;
      return { ...state, phase: state.playing ? "speaking" : "listening", attempt: 0 };
    case "reconnecting": {
      const { attempt, attempts, talking = false } = action;
      return { ...state, phase: "reconnecting", tool: null, asking: null, talking, attempt, attempts };
    }
    case "microphone":
      return { ...state, microphone: action.open, muted: false, talking: false };
    case "muted":
      return { ...state, muted: action.muted };
    case "manual":
      return { ...state, manual: action.manual, muted: false, talking: false };
    case "talking":
      return { ...state, talking: action.talking };
    case "awaiting_reply":
      return from("listening", "interrupted") ? { ...state, phase: "thinking" } : state;
    case "tool_started":
      return {
        ...state,
        tool: action.name,
        asking: action.asks ? action.name : state.asking,
        phase: from("listening", "interrupted") ? "thinking" : state.phase,
      };
    case "decided":
      return { ...state, asking: null };
    case "tool_ended":
      return { ...state, tool: null, asking: null };
    case "turn_ended":
      return from("thinking") ? { ...state, phase: "listening", tool: null, asking: null } : state;
    case "reply_started":
      return { ...state, playing: true, phase: isConnected(state) ? "speaking" : state.phase };
    case "reply_ended": {
      const after = state.tool ? "thinking" : "listening";
      return { ...state, playing: false, phase: from("speaking") ? after : state.phase };
    }
    case "interrupted":
      return canInterrupt(state) ? { ...state, phase: "interrupted", tool: null } : state;
    case "settled":
      return from("interrupted") ? { ...state, phase: "listening" } : state;
    case "goes_on":
      return from("idle") ? { ...state, goesOn: true } : state;
    case "failed":
      return { ...INITIAL, phase: "error" };
    case "ended":
      return INITIAL;
    default:
      throw new TypeError(`The page knows no action ${action.type}.`);
  }
}

/** @returns {{label: string, hint: string}} the state in words */
export function describe(state) {
  const words = describePhase(state);
  return state.talking && isConnected(state) ? { ...words, hint: gettext("Let go to send") } : words;
}

function describePhase(state) {
  const { phase, attempt, attempts, tool, asking } = state;
  switch (phase) {
    case "idle":
      return {
        label: gettext("Ready"),
        hint: state.goesOn ? gettext("Press Start to go on where you stopped") : gettext("Press Start and speak, or type"),
      };
    case "connecting":
      return { label: gettext("Connecting…"), hint: gettext("Allow the microphone if the browser asks") };
    case "listening":
      return describeListening(state);
    case "thinking":
      if (asking) return { label: gettext("Waits for you"), hint: interpolate(gettext("Allow or deny %(tool)s"), { tool: asking }) };
      return { label: gettext("Thinking…"), hint: tool ? interpolate(gettext("Using %(tool)s"), { tool }) : "" };
    case "speaking":
      return { label: gettext("Speaking"), hint: howToInterrupt(state) };
    case "interrupted":
      return { label: gettext("Interrupted"), hint: gettext("Go on") };
    case "reconnecting":
      return {
        label: attempt
          ? interpolate(gettext("Reconnecting (%(attempt)s of %(attempts)s)…"), { attempt, attempts })
          : gettext("Reconnecting…"),
        hint: gettext("The conversation goes on where it stopped"),
      };
    default:
      return { label: gettext("Not connected"), hint: gettext("You can type, or press Start") };
  }
}

function describeListening({ microphone, muted, manual, talking }) {
  if (!microphone) return { label: gettext("Ready"), hint: gettext("Type a message, or press Speak") };
  if (manual && !talking) return { label: gettext("Ready"), hint: gettext("Hold Space or the button, and talk") };
  if (muted && !talking) return { label: gettext("Muted"), hint: gettext("Unmute to speak again") };
  return { label: gettext("Listening"), hint: gettext("Ask something") };
}

function howToInterrupt({ microphone, muted, manual }) {
  if (!microphone || muted) return gettext("Press Esc or tap the circle to interrupt");
  return manual ? gettext("Hold Space or the button to interrupt") : gettext("Talk to interrupt, or press Esc");
}
