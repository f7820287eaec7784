import { Faults } from "./faults.js";
import { gettext, interpolate } from "./i18n.js";
import { Microphone } from "./microphone.js";
import { Outbox } from "./outbox.js";
import { Player } from "./player.js";
import { Problem } from "./problems.js";
import { SessionsApi } from "./sessions_api.js";
import { VoiceSocket } from "./socket.js";
import { INITIAL, canInterrupt, isConnected, isOpen, reduce } from "./state.js";
import { WakeLock } from "./wake_lock.js";

const INTERRUPTED_FOR = 600;
/** What the person does, the server says and the player reports, each to one state. */
export class Conversation {
  #state = INITIAL;
  #parts;
  #listeners;
  #api;
  #wakeLock = new WakeLock();
  #turn = null; // the newest; the end of an older one may be told after its start
  #heard = new Map(); // turn → share of its reply that was played
  #outbox;
  #attempt = null; // to start; a later one, or the end, makes an earlier one void
  #startedWith = { microphone: true };

  /**
   * @param {DOMStringMap} dataset the addresses that the server wrote into the page
   * @param {{view, notices, transcript, tools, settings, metrics, stopwatch}} parts
   * @param {{openSettings(), changed(state)}} handlers
   */
  constructor(dataset, parts, handlers) {
    this.#parts = parts;
    this.#listeners = handlers;
    this.#outbox = new Outbox(parts);
    this.faults = new Faults(this, parts.notices, handlers.openSettings);
    this.#api = new SessionsApi(dataset.sessionsUrl, dataset.csrfToken);
    this.socket = new VoiceSocket(dataset.socketPath, this.#api, {
      configuration: () => parts.settings.configuration,
      message: (type, data) => this.#handlers[type]?.(data),
      audio: (buffer) => this.player.play(buffer),
      reconnecting: (attempt, attempts) => this.#lost(attempt, attempts),
      failed: (problem) => this.#fail(problem),
    });
    this.microphone = new Microphone(dataset.captureWorklet, this, parts);
    this.player = new Player({
      workletUrl: dataset.playbackWorklet,
      started: () => {
        parts.stopwatch.answered();
        this.dispatch({ type: "reply_started" });
      },
      ended: (turn, ms) => this.#played(turn, ms, 0),
      flushed: (turn, ms, dropped) => this.#played(turn, ms, dropped),
      level: (rms, queued) => {
        parts.view.level(rms);
        parts.metrics.queue(queued);
      },
      underrun: () => parts.metrics.underrun(),
      problem: (problem) => this.faults.tell(problem),
    });
    addEventListener("pagehide", () => this.#leave());
    this.#show();
  }

  get state() {
    return this.#state;
  }

  #handlers = {
    status: (data) => this.#status(data),
    audio: ({ audio, interrupt }) => {
      if (interrupt) this.#interrupted();
      else if (audio) this.player.play(Uint8Array.from(atob(audio), (char) => char.charCodeAt(0)).buffer);
    },
    transcription: ({ text, isUser, isFinal, turnId }) => {
      const { transcript, view } = this.#parts;
      transcript.append(turnId, isUser, text);
      if (isUser && text) this.microphone.wasUnderstood = true;
      if (!isFinal) return;
      const said = transcript.finish(turnId, isUser);
      if (said) view.say(`${isUser ? gettext("You") : "Gemini"}: ${said}`);
    },
    function_call: (call) => {
      const { name } = call;
      this.#parts.tools.start(call);
      if (call.needsApproval) {
        this.#parts.view.say(interpolate(gettext("%(name)s waits for you to allow or deny it."), { name }));
      }
      this.dispatch({ type: "tool_started", name, asks: call.needsApproval });
    },
    tool_progress: (said) => this.#parts.tools.progress(said),
    function_result: (result) => {
      this.#parts.tools.finish(result);
      this.dispatch({ type: "tool_ended" });
    },
    turn: ({ turnId, state }) => {
      if (state === "started") this.#turn = turnId;
      if (state === "started") this.player.startTurn(turnId);
      else this.player.endTurn(turnId);
      if (state === "interrupted") this.#parts.transcript.interrupt(turnId, this.#heard.get(turnId) ?? 0);
      if (turnId !== this.#turn || (state !== "complete" && state !== "interrupted")) return;
      this.microphone.wasUnderstood = false;
      this.dispatch({ type: "turn_ended" });
    },
    usage: (tokens) => this.#parts.metrics.usage(tokens),
    error: (said) => this.faults.tell(Problem.said(said)),
    pong: ({ t }) => {
      this.#parts.metrics.roundTrip(performance.now() - t);
      this.#parts.view.latency(this.#parts.metrics.summary().roundTrip.median);
    },
  };

  dispatch = (action) => {
    const before = this.#state;
    this.#state = reduce(before, action);
    if (this.#state === before) return;
    this.#show();
    if (this.#state.phase === "interrupted" && before.phase !== "interrupted") {
      setTimeout(() => this.dispatch({ type: "settled" }), INTERRUPTED_FOR);
    }
  };

  #show() {
    this.#parts.view.show(this.#state);
    this.#listeners.changed(this.#state);
  }

  // --- What the person does

  /** Starts a conversation, or opens the microphone in the one that goes on. */
  async start(how = { microphone: true }) {
    const isNew = !isOpen(this.#state);
    const attempt = isNew ? (this.#attempt = Symbol("attempt")) : this.#attempt;
    const { settings, notices, transcript } = this.#parts;
    this.#startedWith = how;
    notices.clear();
    if (isNew) {
      if (!this.socket.sessionId) transcript.separate();
      this.dispatch({ type: "connecting", manual: settings.isManual });
    }
    const listens = how.microphone && !this.#state.microphone;
    try {
      this.player.unlock();
      if (listens) this.microphone.unlock();
      this.#wakeLock.hold();
      if (listens) await this.microphone.open();
      if (attempt === this.#attempt) await this.#openPlayer(how);
      if (isNew && attempt === this.#attempt) await this.socket.open();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (isNew) this.#fail(Problem.of(error));
      else this.microphone.problem(Problem.of(error));
    }
  }

  /** Who types can do without the sound. */
  async #openPlayer(how) {
    try {
      await this.player.open(this.#parts.settings.values.speaker);
    } catch (error) {
      const problem = Problem.of(error);
      if (how.microphone || problem.isOfNetwork) throw problem;
      this.faults.tell(problem);
    }
  }

  end() {
    this.#attempt = null;
    this.#close();
    this.socket.close();
    this.dispatch({ type: "ended" });
  }

  interrupt() {
    if (!canInterrupt(this.#state)) return;
    this.socket.send("interrupt");
    this.player.cut();
    this.dispatch({ type: "interrupted" });
  }

  write(text) {
    if (!isOpen(this.#state)) this.start({ microphone: false });
    this.#outbox.add(text);
    this.#sendTyped();
  }

  /** A click on a tool's card. @param {{callId, approved, argsHash}} click */
  decide(click) {
    this.socket.send("tool_approval", click);
    this.dispatch({ type: "decided" });
  }

  /** A picture of the camera or the screen. @param {string} data JPEG as base64 */
  sendImage(data) {
    if (this.socket.isLive) this.socket.send("image", { data, mimeType: "image/jpeg" });
  }

  /** In a click: what the system or the browser held back is heard again. */
  async resume() {
    this.#parts.notices.clear();
    try {
      await Promise.all([this.player.resume(), this.microphone.resume()]);
    } catch (error) {
      this.faults.tell(Problem.of(error));
    }
  }

  /** Other settings take hold at once, in the midst of a conversation too. */
  async use(before, now) {
    const { settings } = this.#parts;
    const changed = (...names) => names.some((name) => before.values[name] !== now.values[name]);
    if (changed("activityDetection")) this.dispatch({ type: "manual", manual: settings.isManual });
    const isUnderWay = isConnected(this.#state) || this.#state.phase === "reconnecting";
    if (isUnderWay && JSON.stringify(before.configuration) !== JSON.stringify(now.configuration)) {
      this.#outbox.left();
      this.#lost(0, 0);
      this.#parts.tools.abandon(); // they end with the conversation that asked for them
      this.socket.reconnect();
    }
    if (changed("speaker")) await this.player.useSpeaker(now.values.speaker);
    if (changed("microphone", "processing")) await this.microphone.change();
  }

  /** After the page was loaded anew: what was said in the conversation that can be gone on with. */
  async restore() {
    const id = this.socket.sessionId;
    if (!id) return;
    const happened = await this.#api.load(id).catch(() => undefined); // not reached: known at Start
    if (id !== this.socket.sessionId || isOpen(this.#state)) return;
    if (happened === null) this.socket.sessionId = null;
    if (!happened) return;
    for (const thing of happened) (thing.callId ? this.#parts.tools : this.#parts.transcript).restore(thing);
    this.dispatch({ type: "goes_on" });
  }

  #sendTyped() {
    for (let message; this.socket.isLive && (message = this.#outbox.next()) !== undefined; ) {
      this.socket.send("text", message);
      this.#parts.stopwatch.asked();
      this.dispatch({ type: "awaiting_reply" });
    }
  }

  // --- What the server says

  #status({ status, reason, ...data }) {
    if (status === "CONNECTED") {
      this.faults.connected();
      this.dispatch({ type: "connected" });
      this.#parts.view.backend(data);
      this.#parts.view.startTimer();
      this.#sendTyped();
    } else if (status === "RECONNECTING") {
      // The server is still there, and keeps what is said until Gemini is back: who holds the button goes on.
      this.dispatch({ type: "reconnecting", attempt: 0, attempts: 0, talking: this.#state.talking });
    } else if (status === "ERROR") {
      const { said } = this.socket;
      const problem = said ? Problem.said(said) : new Problem("gemini", reason);
      problem.action ??= "retry";
      this.socket.leave();
      this.#fail(problem);
    } // DISCONNECTED: the close code that follows says whether the session lives on
  }

  #interrupted() {
    this.player.flush();
    this.dispatch({ type: "interrupted" });
  }

  #lost(attempt, attempts) {
    this.player.endTurn(this.#turn);
    this.#parts.transcript.finishAll();
    this.#outbox.lost();
    this.microphone.wasUnderstood = false;
    this.dispatch({ type: "reconnecting", attempt, attempts });
  }

  #fail(problem) {
    this.#attempt = null;
    this.#close();
    this.dispatch({ type: "failed" });
    this.faults.failed(problem);
  }

  /** The same start as before; or the next attempt to reconnect, at once. */
  again() {
    if (this.#state.phase === "reconnecting") this.socket.reconnect();
    else this.start(this.#startedWith);
  }

  #close() {
    const { transcript, tools, view, stopwatch } = this.#parts;
    this.#wakeLock.release();
    this.#outbox.giveBack();
    this.microphone.close();
    this.player.close();
    transcript.finishAll();
    tools.abandon();
    view.stopTimer();
    this.#heard.clear();
    stopwatch.forget();
  }

  /** The page goes away, perhaps to come back: the session stays. */
  #leave() {
    this.#attempt = null;
    this.#close();
    this.socket.leave();
    this.dispatch({ type: "ended" });
    if (this.socket.sessionId) this.dispatch({ type: "goes_on" });
  }

  // --- What the player reports

  #played(turn, ms, dropped) {
    const share = ms + dropped ? ms / (ms + dropped) : 0;
    this.#heard.set(turn, share);
    if (dropped) this.#parts.transcript.interrupt(turn, share);
    if (turn !== null) this.socket.send("played", { turnId: turn, ms, dropped });
    this.#parts.view.level(0);
    this.dispatch({ type: "reply_ended" });
  }
}
