import { Problem } from "./problems.js";
import { loadWorklet } from "./worklet.js";

const RATE = 16000;
const AUDIO = { channelCount: { ideal: 1 }, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const SILENT_FRAMES = 94; // 3 s of 32 ms

/** The microphone as frames of 1024 bytes: 32 ms of s16le mono at 16 kHz. */
export class Capture {
  #workletUrl;
  #onFrame;
  #onProblem;
  #context = null;
  #stream = null;
  #node = null;
  #zeros = 0;

  /**
   * @param {string} workletUrl
   * @param {(frame: ArrayBuffer, level: {rms: number, peak: number}) => void} onFrame valid during the call only
   * @param {(problem: Problem) => void} onProblem a microphone that is open and gives nothing, or goes away
   */
  constructor({ workletUrl, onFrame, onProblem }) {
    this.#workletUrl = workletUrl;
    this.#onFrame = onFrame;
    this.#onProblem = onProblem;
  }

  get isOpen() {
    return this.#node !== null;
  }

  /** Call it in the click itself, before any await: browsers unlock audio there only. */
  unlock() {
    this.#context?.close();
    const constraints = navigator.mediaDevices?.getSupportedConstraints() ?? {};
    this.#context = new AudioContext(constraints.sampleRate ? { sampleRate: RATE } : {});
    this.#context.resume().catch(() => {}); // open() resumes it again and waits
  }

  /**
   * @returns {Promise<boolean>} false if it was closed, or unlocked anew, while the browser asked the person
   * @throws {Problem} that says what the person can do
   */
  async open() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Problem(isSecureContext ? "unsupported" : "insecure");
    const wanted = this.#context;
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: AUDIO });
      if (wanted !== this.#context) {
        for (const track of stream.getTracks()) track.stop();
        return false;
      }
      this.#stream = stream;
      this.#stream.getAudioTracks()[0].onended = () => this.#onProblem(new Problem("microphone_gone"));
      const source = await this.#source();
      if (stream !== this.#stream) return false;
      const mono = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
      this.#node = new AudioWorkletNode(this.#context, "capture", mono);
      this.#node.port.onmessage = ({ data }) => this.#take(data);
      source.connect(this.#node);
      await this.#context.resume();
      return true;
    } catch (error) {
      if (stream ? stream !== this.#stream : wanted !== this.#context) return false;
      await this.close();
      throw Problem.of(error);
    }
  }

  async close() {
    this.#node?.port.postMessage("stop");
    this.#node?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    const context = this.#context;
    this.#node = this.#stream = this.#context = null;
    this.#zeros = 0;
    if (context && context.state !== "closed") await context.close();
  }

  async #source() {
    let source;
    try {
      source = this.#context.createMediaStreamSource(this.#stream);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      // Firefox wants the microphone's own rate; the worklet resamples.
      await this.#context.close();
      this.#context = new AudioContext();
      source = this.#context.createMediaStreamSource(this.#stream);
    }
    await loadWorklet(this.#context, this.#workletUrl);
    return source;
  }

  #take({ buffer, level }) {
    if (!this.isOpen) return; // zero frames keep coming after a track stops
    this.#zeros = level.peak === 0 ? this.#zeros + 1 : 0;
    if (this.#zeros === SILENT_FRAMES) this.#onProblem(new Problem("silence"));
    this.#onFrame(buffer, level);
    this.#node?.port.postMessage(buffer, [buffer]);
  }
}
