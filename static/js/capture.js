import { Problem } from "./problems.js";
import { wake } from "./wake.js";
import { loadWorklet } from "./worklet.js";

const RATE = 16000;
const SILENT_FRAMES = 94; // 3 s of 32 ms

/** The microphone as frames of 1024 bytes: 32 ms of s16le mono at 16 kHz. */
export class Capture {
  #workletUrl;
  #onFrame;
  #onProblem;
  #context = null;
  #stream = null;
  #source = null;
  #node = null;
  #zeros = 0;
  #flushed = null;

  /** The microphone that was wished for was not there: another one is open. */
  wasMissing = false;

  /**
   * @param {string} workletUrl
   * @param {(frame: ArrayBuffer, level: {rms: number, peak: number, clipped: number}) => void} onFrame valid during the
   *   call only
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

  /** The name of the open microphone. */
  get label() {
    return this.#stream?.getAudioTracks()[0]?.label ?? "";
  }

  /** Call it in the click itself, before any await: browsers unlock audio there only. */
  unlock() {
    this.#context?.close();
    const constraints = navigator.mediaDevices?.getSupportedConstraints() ?? {};
    this.#context = new AudioContext(constraints.sampleRate ? { sampleRate: RATE } : {});
    this.#context.resume().catch(() => {}); // open() resumes it again and waits
  }

  /**
   * @param {{deviceId: string, processing: boolean}} wish `processing`: echo, noise and loudness are seen to
   * @returns {Promise<boolean>} false if it was closed, or unlocked anew, while the browser asked the person
   * @throws {Problem} that says what the person can do
   */
  async open(wish) {
    const wanted = this.#context;
    let stream = null;
    try {
      stream = await this.#getMicrophone(wish);
      if (wanted !== this.#context) {
        for (const track of stream.getTracks()) track.stop();
        return false;
      }
      this.#stream = stream;
      const source = await this.#createSource(stream);
      if (stream !== this.#stream) return false;
      const mono = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
      this.#node = new AudioWorkletNode(this.#context, "capture", mono);
      this.#node.port.onmessage = ({ data }) => this.#take(data);
      this.#source = source;
      this.#watch(stream);
      source.connect(this.#node);
      await wake(this.#context);
      this.#context.onstatechange = () => this.#stateChanged();
      return true;
    } catch (error) {
      if (stream ? stream !== this.#stream : wanted !== this.#context) return false;
      await this.close();
      throw Problem.of(error);
    }
  }

  /** Another microphone, or other wishes for it, without a gap: the new one is connected before the old one goes. @throws {Problem} */
  async switchTo(wish) {
    const before = this.#stream;
    if (!before) return;
    let stream = null;
    try {
      stream = await this.#getMicrophone(wish);
      if (before !== this.#stream) throw new DOMException("closed meanwhile", "AbortError");
      const source = this.#context.createMediaStreamSource(stream);
      source.connect(this.#node);
      this.#source.disconnect();
      this.#stream = stream;
      this.#source = source;
      this.#zeros = 0;
      this.#watch(stream);
      this.#stop(before);
    } catch (error) {
      if (stream) this.#stop(stream);
      if (before !== this.#stream) return;
      // Firefox: this microphone has another rate than the context.
      if (error.name !== "NotSupportedError") throw Problem.of(error);
      await this.close();
      this.unlock();
      await this.open(wish);
    }
  }

  /** In a click: the microphone hears again after the system had taken it. */
  async resume() {
    if (this.#context) await wake(this.#context);
  }

  /** Push-to-talk ends: the frame that is not full yet is given out, filled with silence. */
  flush() {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushed = resolve;
      this.#node.port.postMessage("flush");
    });
  }

  async close() {
    this.#node?.port.postMessage("stop");
    this.#node?.disconnect();
    if (this.#stream) this.#stop(this.#stream);
    const context = this.#context;
    this.#node = this.#stream = this.#source = this.#context = null;
    this.#zeros = 0;
    this.#flushed?.();
    this.#flushed = null;
    if (!context) return;
    context.onstatechange = null;
    if (context.state !== "closed") await context.close();
  }

  async #getMicrophone({ deviceId, processing }) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Problem(isSecureContext ? "unsupported" : "insecure");
    const audio = {
      channelCount: { ideal: 1 },
      echoCancellation: processing,
      noiseSuppression: processing,
      autoGainControl: processing,
    };
    this.wasMissing = false;
    if (deviceId) {
      try {
        return await navigator.mediaDevices.getUserMedia({ audio: { ...audio, deviceId: { exact: deviceId } } });
      } catch (error) {
        if (error.name !== "OverconstrainedError" && error.name !== "NotFoundError") throw error;
        this.wasMissing = true;
      }
    }
    return navigator.mediaDevices.getUserMedia({ audio });
  }

  async #createSource(stream) {
    let source;
    try {
      source = this.#context.createMediaStreamSource(stream);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      // Firefox wants the microphone's own rate; the worklet resamples.
      await this.#context.close();
      this.#context = new AudioContext();
      source = this.#context.createMediaStreamSource(stream);
    }
    await loadWorklet(this.#context, this.#workletUrl);
    return source;
  }

  #watch(stream) {
    stream.getAudioTracks()[0].onended = () => this.#onProblem(new Problem("microphone_gone"));
  }

  async #stateChanged() {
    const context = this.#context;
    if (!context || context.state === "running" || context.state === "interrupted") return;
    if (!(await wake(context))) this.#onProblem(new Problem("sound_blocked"));
  }

  #stop(stream) {
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
  }

  #take({ buffer, level, flushed }) {
    if (!this.isOpen) return; // zero frames keep coming after a track stops
    if (buffer) {
      this.#zeros = level.peak === 0 ? this.#zeros + 1 : 0;
      if (this.#zeros === SILENT_FRAMES) this.#onProblem(new Problem("silence"));
      this.#onFrame(buffer, level);
      this.#node?.port.postMessage(buffer, [buffer]);
    }
    if (flushed) {
      this.#flushed?.();
      this.#flushed = null;
    }
  }
}
