import { Problem } from "./problems.js";
import { wake } from "./wake.js";
import { loadWorklet } from "./worklet.js";

const RATE = 24000;

/** Gemini's voice: s16le mono at 24 kHz into the playback worklet, and what was really heard out of it. */
export class Player {
  #workletUrl;
  #handlers;
  #context = null;
  #node = null;
  #turn = null;
  #ended = true;
  #discarding = false;
  #speaker = "";

  /**
   * Counts of samples come as milliseconds.
   * @param {string} workletUrl
   * @param {{started(turn), ended(turn, ms), flushed(turn, ms, droppedMs), level(rms, queuedMs), underrun(),
   *   problem(problem)}} handlers `problem`: the browser holds the sound back, or the speaker has gone
   */
  constructor({ workletUrl, ...handlers }) {
    this.#workletUrl = workletUrl;
    this.#handlers = handlers;
  }

  /** Call it in the click itself, before any await: browsers unlock audio there only. */
  unlock() {
    if (this.#context) return;
    this.#context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.#context.resume().catch(() => {}); // open() resumes it again and waits
  }

  /** @param {string} speaker a device's id, "" for the computer's own. @throws {Problem} */
  async open(speaker = this.#speaker) {
    this.#speaker = speaker;
    if (this.#node) return;
    const context = this.#context;
    if (context.sampleRate !== RATE) throw new Problem("unsupported");
    await loadWorklet(context, this.#workletUrl);
    if (context !== this.#context || this.#node) return;
    this.#node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#heard(data);
    this.#node.connect(context.destination);
    await this.useSpeaker(speaker);
    if (!(await wake(context))) this.#handlers.problem(new Problem("sound_blocked"));
    context.onstatechange = () => this.#stateChanged(context);
  }

  async useSpeaker(id) {
    this.#speaker = id;
    if (!this.#context?.setSinkId || this.#context.sinkId === id) return;
    try {
      await this.#context.setSinkId(id);
    } catch {
      this.#speaker = "";
      this.#handlers.problem(new Problem("speaker_forgotten"));
    }
  }

  /** In a click: wakes the sound up, with a context of its own where the old one cannot be woken. @throws {Problem} */
  async resume() {
    const context = this.#context;
    if (!context || (await wake(context)) || context !== this.#context) return;
    const turn = this.#turn;
    await this.close();
    this.#turn = turn;
    this.#ended = false;
    this.unlock();
    await this.open();
  }

  /** The audio that follows belongs to this turn. */
  startTurn(turn) {
    if (turn === this.#turn) return;
    this.endTurn(this.#turn);
    this.#turn = turn;
    this.#ended = this.#discarding = false;
  }

  /** @param {ArrayBuffer} buffer s16le, 24 kHz; taken over */
  play(buffer) {
    if (this.#discarding || !this.#node) return;
    this.#ended = false;
    this.#node.port.postMessage({ type: "audio", turn: this.#turn, buffer }, [buffer]);
  }

  /** No more audio comes for this turn. */
  endTurn(turn) {
    if (turn !== this.#turn || this.#ended) return;
    this.#ended = true;
    this.#discarding = false;
    this.#node?.port.postMessage({ type: "end", turn });
  }

  /** Silence within 5 ms: the server says that what came so far must not be heard. */
  flush() {
    this.#discarding = false;
    this.#node?.port.postMessage({ type: "flush" });
  }

  /** Silence within 5 ms: the person says so, and what is still on its way from the server must not be heard either. */
  cut() {
    this.flush();
    this.#discarding = !this.#ended;
  }

  async close() {
    this.flush();
    this.#node?.port.postMessage({ type: "stop" });
    this.#node?.disconnect();
    const context = this.#context;
    this.#node = this.#context = this.#turn = null;
    this.#ended = true;
    this.#discarding = false;
    if (!context) return;
    context.onstatechange = null;
    if (context.state !== "closed") await context.close();
  }

  /** A call on an iPhone ends, a laptop wakes up: the sound is gone until somebody asks for it. */
  async #stateChanged(context) {
    if (context !== this.#context || context.state === "running" || context.state === "interrupted") return;
    if (!(await wake(context))) this.#handlers.problem(new Problem("sound_blocked"));
  }

  #heard({ type, turn, played, dropped, rms, queued }) {
    const ms = (samples) => Math.round((1000 * samples) / RATE);
    if (type === "started") this.#handlers.started(turn);
    else if (type === "ended") this.#handlers.ended(turn, ms(played));
    else if (type === "flushed") this.#handlers.flushed(turn, ms(played), ms(dropped));
    else if (type === "level") this.#handlers.level(rms, ms(queued));
    else if (type === "underrun") this.#handlers.underrun();
  }
}
