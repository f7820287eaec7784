import { Capture } from "./capture.js";
import { Player } from "./player.js";
import { Problem } from "./problems.js";
import { VoiceSocket } from "./socket.js";
import { INITIAL, isOpen, reduce } from "./state.js";
import { ToolCards } from "./tool_cards.js";
import { Transcript } from "./transcript.js";
import { View } from "./view.js";

const VOICED = 0.01; // rms above the noise of a quiet room
const QUIET = 500; // ms after the last voiced frame: the person waits for an answer
const INTERRUPTED_FOR = 600;
const AUDIO_END_AFTER = 1000;

/** The page: what the person does, the server says and the audio reports, each to one state. */
class App {
  #state = INITIAL;
  #turn = null; // the newest; the end of an older one may be told after its start
  #heard = new Map(); // turn → share of its reply that was played
  #unsent = [];
  #attempt = null; // to start; a later one, or the end, makes an earlier one void
  #startedWith = { microphone: true };
  #wasHeard = false;
  #lastVoiced = 0;
  #audioEnd = null;

  constructor({ dataset }) {
    this.view = new View({
      start: () => this.#start({ microphone: true }),
      end: () => this.#end(),
      mute: () => this.#mute(),
      interrupt: () => this.#interrupt(),
      send: (text) => this.#sendText(text),
    });
    this.transcript = new Transcript(document.getElementById("transcript"), document.getElementById("jump"));
    this.tools = new ToolCards(
      document.getElementById("tool-card"),
      (card) => this.transcript.place(card),
      (click) => this.socket.send("tool_approval", click),
    );
    this.socket = new VoiceSocket(dataset, {
      message: (type, data) => this.#handlers[type]?.(data),
      audio: (buffer) => this.player.play(buffer),
      reconnecting: (attempt, attempts) => this.#lost(attempt, attempts),
      failed: (problem) => this.#fail(problem),
    });
    this.capture = new Capture({
      workletUrl: dataset.captureWorklet,
      onFrame: (frame, level) => this.#send(frame, level),
      onProblem: (problem) => this.#microphoneProblem(problem),
    });
    this.player = new Player({
      workletUrl: dataset.playbackWorklet,
      started: () => this.#dispatch({ type: "reply_started" }),
      ended: (turn, ms) => this.#played(turn, ms, 0),
      flushed: (turn, ms, dropped) => this.#played(turn, ms, dropped),
      level: (rms) => this.view.level(rms),
    });
    addEventListener("pagehide", () => this.#end());
    this.view.show(this.#state);
  }

  #handlers = {
    status: (data) => this.#status(data),
    audio: ({ audio, interrupt }) => {
      if (interrupt) this.#interrupted();
      else if (audio) this.player.play(Uint8Array.from(atob(audio), (char) => char.charCodeAt(0)).buffer);
    },
    transcription: ({ text, isUser, isFinal, turnId }) => {
      this.transcript.append(turnId, isUser, text);
      if (isUser && text) this.#wasHeard = true;
      if (isFinal) {
        const said = this.transcript.finish(turnId, isUser);
        if (said) this.view.announce(`${isUser ? "You" : "Gemini"}: ${said}`);
      }
    },
    function_call: (call) => {
      this.tools.start(call);
      if (call.needsApproval) this.view.announce(`${call.name} waits for you to allow or deny it.`);
      this.#dispatch({ type: "tool_started", name: call.name });
    },
    tool_progress: (said) => this.tools.progress(said),
    function_result: (result) => {
      this.tools.finish(result);
      this.#dispatch({ type: "tool_ended" });
    },
    turn: ({ turnId, state }) => {
      if (state === "started") this.#turn = turnId;
      if (state === "started") this.player.startTurn(turnId);
      else this.player.endTurn(turnId);
      if (state === "interrupted") this.transcript.interrupt(turnId, this.#heard.get(turnId) ?? 0);
      if (turnId !== this.#turn || (state !== "complete" && state !== "interrupted")) return;
      this.#wasHeard = false;
      this.#dispatch({ type: "turn_ended" });
    },
    usage: () => {}, // the metrics drawer's
    error: (problem) => this.view.notice(problem),
    pong: ({ t }) => this.view.latency(performance.now() - t),
  };

  #dispatch(action) {
    const before = this.#state;
    this.#state = reduce(before, action);
    if (this.#state === before) return;
    this.view.show(this.#state);
    if (this.#state.phase === "interrupted" && before.phase !== "interrupted") {
      setTimeout(() => this.#dispatch({ type: "settled" }), INTERRUPTED_FOR);
    }
  }

  // --- What the person does

  /** Starts a conversation, or opens the microphone in the one that goes on. */
  async #start(how) {
    const isNew = !isOpen(this.#state);
    const attempt = isNew ? (this.#attempt = Symbol("attempt")) : this.#attempt;
    this.#startedWith = how;
    this.view.clearNotice();
    if (isNew) {
      if (!this.socket.sessionId) this.transcript.separate();
      this.#dispatch({ type: "connecting" });
    }
    try {
      this.player.unlock();
      if (how.microphone) this.capture.unlock();
      if (how.microphone && (await this.capture.open())) this.#dispatch({ type: "microphone", open: true });
      if (attempt === this.#attempt) await this.player.open();
      if (isNew && attempt === this.#attempt) await this.socket.open();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (isNew) this.#fail(Problem.of(error));
      else this.#microphoneProblem(Problem.of(error));
    }
  }

  #end() {
    this.#attempt = null;
    this.#close();
    this.socket.close();
    this.#dispatch({ type: "ended" });
  }

  #mute() {
    if (!this.#state.microphone) return;
    const muted = !this.#state.muted;
    clearTimeout(this.#audioEnd);
    if (muted) this.#audioEnd = setTimeout(() => this.socket.send("audio_end"), AUDIO_END_AFTER);
    this.#dispatch({ type: "muted", muted });
    this.view.level(0);
  }

  #interrupt() {
    if (this.#state.phase !== "speaking" && this.#state.phase !== "thinking") return;
    this.socket.send("interrupt");
    this.player.cut();
    this.#dispatch({ type: "interrupted" });
  }

  #sendText(text) {
    if (!isOpen(this.#state)) this.#start({ microphone: false });
    this.transcript.add(text);
    this.#unsent.push(text);
    this.#sendUnsent();
  }

  #sendUnsent() {
    while (this.#unsent.length && this.socket.isLive) {
      this.socket.send("text", { text: this.#unsent.shift() });
      this.#dispatch({ type: "awaiting_reply" });
    }
  }

  // --- What the server says

  #status({ status, reason, ...data }) {
    if (status === "CONNECTED") {
      this.#dispatch({ type: "connected" });
      this.view.backend(data);
      this.view.startTimer();
      this.#sendUnsent();
    } else if (status === "RECONNECTING") {
      this.#dispatch({ type: "reconnecting", attempt: 0, attempts: 0 });
    } else if (status === "ERROR") {
      this.socket.leave();
      this.#fail(new Problem("gemini", reason));
    } // DISCONNECTED: the close code that follows says whether the session lives on
  }

  #interrupted() {
    this.player.flush();
    this.#dispatch({ type: "interrupted" });
  }

  #lost(attempt, attempts) {
    this.player.endTurn(this.#turn);
    this.transcript.finishAll();
    this.#wasHeard = false;
    this.#dispatch({ type: "reconnecting", attempt, attempts });
  }

  #fail(problem) {
    this.#attempt = null;
    this.transcript.takeBack(this.#unsent.length);
    this.view.giveBack(this.#unsent.splice(0).join(" "));
    this.#close();
    this.#dispatch({ type: "failed" });
    this.#tell(problem);
  }

  #tell(problem) {
    const retry = problem.canRetry ? () => this.#start(this.#startedWith) : null;
    this.view.notice({ code: problem.code, message: problem.message, retry });
  }

  #close() {
    clearTimeout(this.#audioEnd);
    this.capture.close();
    this.player.close();
    this.transcript.finishAll();
    this.tools.abandon();
    this.view.stopTimer();
    this.#heard.clear();
    this.#wasHeard = false;
  }

  // --- What the audio reports

  /** One frame of the microphone: 32 ms. */
  #send(frame, { rms, peak }) {
    const { phase, muted } = this.#state;
    if (peak) this.view.clearNotice("silence");
    if (muted) return;
    if (this.socket.isLive && !this.socket.sendAudio(frame)) this.#tell(new Problem("slow_network"));
    if (phase === "listening") this.view.level(rms);
    const now = performance.now();
    if (rms > VOICED) this.#lastVoiced = now;
    if (this.#wasHeard && now - this.#lastVoiced > QUIET) this.#dispatch({ type: "awaiting_reply" });
  }

  #microphoneProblem(problem) {
    if (problem.code !== "silence") {
      this.capture.close();
      this.#dispatch({ type: "microphone", open: false });
    }
    this.#tell(problem);
  }

  #played(turn, ms, dropped) {
    const share = ms + dropped ? ms / (ms + dropped) : 0;
    this.#heard.set(turn, share);
    if (dropped) this.transcript.interrupt(turn, share);
    if (turn !== null) this.socket.send("played", { turnId: turn, ms, dropped });
    this.view.level(0);
    this.#dispatch({ type: "reply_ended" });
  }
}

new App(document.body);
