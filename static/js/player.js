import { Problem } from "./problems.js";
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

  /**
   * Counts of samples come as milliseconds.
   * @param {string} workletUrl
   * @param {{started(turn), ended(turn, ms), flushed(turn, ms, droppedMs), level(rms)}} handlers
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

  /** @throws {Problem} */
  async open() {
    if (this.#node) return;
    if (this.#context.sampleRate !== RATE) throw new Problem("unsupported");
    await loadWorklet(this.#context, this.#workletUrl);
    this.#node = new AudioWorkletNode(this.#context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#heard(data);
    this.#node.connect(this.#context.destination);
    await this.#context.resume();
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
    if (context && context.state !== "closed") await context.close();
  }

  #heard({ type, turn, played, dropped, rms }) {
    const ms = (samples) => Math.round((1000 * samples) / RATE);
    if (type === "started") this.#handlers.started(turn);
    else if (type === "ended") this.#handlers.ended(turn, ms(played));
    else if (type === "flushed") this.#handlers.flushed(turn, ms(played), ms(dropped));
    else if (type === "level") this.#handlers.level(rms);
  }
}
