import { Capture } from "./capture.js";
import { Devices } from "./devices.js";
import { Problem } from "./problems.js";
import { isHeard } from "./state.js";

const VOICED = 0.01; // rms above the noise of a quiet room
const QUIET = 500; // ms after the last voiced frame: the person waits for an answer
const AUDIO_END_AFTER = 1000;
const SLOW_AGAIN = 10_000; // ms without a dropped frame, after which a slow network is told of anew

/** What the person says: which of it goes to the server, and when a question has ended. */
export class Microphone {
  #capture;
  #conversation;
  #parts;
  #audioEnd = null;
  #held = false;
  #released = Promise.resolve();
  #lastVoiced = 0;
  #warned = false;
  #droppedAt = -Infinity;

  /** Gemini has said what it understood: a pause now is the end of a question. */
  wasUnderstood = false;

  /**
   * @param {string} workletUrl
   * @param {{state, socket, player, faults, dispatch(action)}} conversation
   * @param {{view, notices, settings, metrics, stopwatch}} parts
   */
  constructor(workletUrl, conversation, parts) {
    this.#conversation = conversation;
    this.#parts = parts;
    this.#capture = new Capture({
      workletUrl,
      onFrame: (frame, level) => this.#frame(frame, level),
      onProblem: (problem) => this.problem(problem),
    });
  }

  unlock() {
    this.#capture.unlock();
  }

  /** @throws {Problem} */
  async open() {
    if (!(await this.#capture.open(this.#parts.settings.microphone))) return;
    this.#conversation.dispatch({ type: "microphone", open: true });
    this.#chosen();
  }

  close() {
    clearTimeout(this.#audioEnd);
    this.#held = this.wasUnderstood = false;
    this.#capture.close();
  }

  /** In a click: hears again after the system had taken it. */
  async resume() {
    await this.#capture.resume();
  }

  mute() {
    const { state } = this.#conversation;
    if (!state.microphone || state.manual) return;
    clearTimeout(this.#audioEnd);
    if (!state.muted) this.#endAudioSoon();
    this.#conversation.dispatch({ type: "muted", muted: !state.muted });
    this.#parts.view.level(0);
  }

  /** The microphone is given back to the system, whose mark goes off; the conversation goes on. */
  pause() {
    const { state, socket, dispatch } = this.#conversation;
    if (state.talking && state.manual) socket.send("activity_end"); // what was said is said
    this.close();
    if (!state.microphone) return;
    this.#endAudioSoon();
    dispatch({ type: "microphone", open: false });
    this.#parts.view.level(0);
  }

  /** Push-to-talk, or a word of somebody who is muted, for as long as the key or button is held. */
  async hold() {
    const { socket, player, dispatch } = this.#conversation;
    this.#held = true;
    await this.#released; // the word before is still on its way
    const { state } = this.#conversation;
    if (!this.#held || !state.microphone || isHeard(state) || !socket.isLive) return;
    clearTimeout(this.#audioEnd);
    if (state.manual) {
      if (state.phase === "speaking") player.cut();
      socket.send("activity_start");
      dispatch({ type: "interrupted" });
    }
    dispatch({ type: "talking", talking: true });
  }

  release() {
    if (!this.#held) return;
    this.#held = false;
    if (this.#conversation.state.talking) this.#released = this.#endTalk();
  }

  async #endTalk() {
    await this.#capture.flush();
    const { socket, state, dispatch } = this.#conversation;
    if (!state.talking) return; // the connection was lost meanwhile
    if (state.manual) socket.send("activity_end");
    this.#endAudioSoon();
    this.#parts.stopwatch.asked();
    dispatch({ type: "talking", talking: false });
    dispatch({ type: "awaiting_reply" });
    this.#parts.view.level(0);
  }

  /** Another microphone, or other wishes for it, in the midst of a conversation. */
  async change() {
    if (!this.#capture.isOpen) return;
    try {
      await this.#capture.switchTo(this.#parts.settings.microphone);
      this.#parts.notices.clear("silence");
      this.#chosen();
    } catch (error) {
      this.#conversation.faults.tell(Problem.of(error));
    }
  }

  problem(problem) {
    if (problem.code !== "silence" && problem.code !== "sound_blocked") this.pause();
    this.#conversation.faults.tell(problem);
  }

  /** One frame: 32 ms. */
  #frame(frame, { rms, peak, clipped }) {
    const { state, socket, dispatch, faults } = this.#conversation;
    const { view, notices, metrics, stopwatch } = this.#parts;
    if (peak) notices.clear("silence");
    if (clipped) metrics.clipped(clipped);
    if (!isHeard(state)) return;
    const now = performance.now();
    if (socket.isLive && !socket.sendAudio(frame)) {
      metrics.droppedFrame();
      if (now - this.#droppedAt > SLOW_AGAIN) faults.tell(new Problem("slow_network"));
      this.#droppedAt = now;
    }
    if (state.phase === "listening" || state.talking) view.level(rms);
    if (state.manual) return; // who holds the button says himself when he has ended
    if (rms > VOICED) this.#lastVoiced = now;
    if (rms > VOICED && state.phase !== "speaking") stopwatch.asked(); // in a reply it may be its echo
    if (this.wasUnderstood && now - this.#lastVoiced > QUIET) dispatch({ type: "awaiting_reply" });
  }

  #chosen() {
    const { settings } = this.#parts;
    if (this.#capture.wasMissing) {
      settings.save({ microphone: "" });
      this.#conversation.faults.tell(new Problem("microphone_forgotten"));
    } else if (!this.#warned && Devices.isHandsFree(this.#capture.label)) {
      this.#warned = true;
      this.#conversation.faults.tell(new Problem("hands_free"));
    }
  }

  /** Where Gemini listens by itself; unless somebody is heard again before that. */
  #endAudioSoon() {
    clearTimeout(this.#audioEnd);
    this.#audioEnd = setTimeout(() => {
      const { state, socket } = this.#conversation;
      if (!state.manual && !isHeard(state)) socket.send("audio_end");
    }, AUDIO_END_AFTER);
  }
}
