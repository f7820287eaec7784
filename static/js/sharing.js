import { Problem } from "./problems.js";

const LONGEST = 768; // px of the longer side: what the model looks at
const QUALITY = 0.7;
const EVERY = 1000; // ms from one picture to the next
const SCREEN = { video: { frameRate: 5 }, audio: false };

const CAMERA_ERRORS = {
  NotAllowedError: "camera_blocked",
  SecurityError: "camera_blocked",
  NotFoundError: "camera_missing",
  OverconstrainedError: "camera_missing",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
};

const cameraOf = (deviceId) => ({
  video: { width: { ideal: 1280 }, ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: "user" } }) },
  audio: false,
});

const stopTracks = (stream) => {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
};

/** The camera or the screen as JPEG pictures: at most 768 px on the longer side, one a second. */
export class Sharing {
  #video;
  #mayEncode;
  #onFrame;
  #onEnd;
  #canvas = document.createElement("canvas");
  #attempt = null; // to start; a later one, or a stop, makes an earlier one void
  #stream = null;
  #kind = null;
  #timer = null;

  /** Whether the camera that the last start asked for was not there, and another one was opened. */
  deviceWasMissing = false;

  /**
   * @param {HTMLVideoElement} video the preview: muted, playsinline
   * @param {() => boolean} mayEncode asked before each picture; a slow network leaves it out
   * @param {(base64: string) => void} onFrame a JPEG, without the data: prefix
   * @param {(problem: Problem | null) => void} onEnd it ended without the page's doing: the camera went away, or
   *   (null) the person pressed the browser's own "Stop sharing"
   */
  constructor({ video, mayEncode, onFrame, onEnd }) {
    this.#video = video;
    this.#mayEncode = mayEncode;
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
  }

  /** @returns {null | "camera" | "screen"} what is shared now */
  get kind() {
    return this.#kind;
  }

  /**
   * Call it in the click itself, before any await: browsers show the picker for the screen there only.
   * What was shared before ends at once.
   * @param {"camera" | "screen"} kind
   * @returns {Promise<boolean>} whether pictures flow; false if the person closed the picker, or it was stopped or
   *   started anew meanwhile
   * @throws {Problem} that says what the person can do
   */
  async start(kind, deviceId = "") {
    this.stop();
    this.deviceWasMissing = false;
    const attempt = (this.#attempt = Symbol(kind));
    let stream = null;
    try {
      stream = kind === "screen" ? await this.#openScreen() : await this.#openCamera(deviceId, attempt);
      if (attempt !== this.#attempt) {
        stopTracks(stream);
        return false;
      }
      if (!stream) return false;
      this.#stream = stream;
      stream.getVideoTracks()[0].onended = () => this.#ended(kind);
      this.#video.srcObject = stream;
      await this.#video.play();
    } catch (error) {
      if (attempt !== this.#attempt) return false;
      this.stop();
      if (error instanceof Problem) throw error;
      throw new Problem(kind === "screen" ? "screen_blocked" : "camera_failed");
    }
    if (attempt !== this.#attempt) return false;
    this.#kind = kind;
    this.#picture(stream);
    return true;
  }

  stop() {
    clearTimeout(this.#timer);
    stopTracks(this.#stream);
    this.#attempt = this.#stream = this.#kind = null;
    this.#video.srcObject = null;
  }

  async #openCamera(deviceId, attempt) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Problem(isSecureContext ? "camera_failed" : "insecure");
    const open = (id) => navigator.mediaDevices.getUserMedia(cameraOf(id));
    try {
      return await open(deviceId).catch((error) => {
        if (!deviceId || error.name !== "OverconstrainedError" || attempt !== this.#attempt) throw error;
        this.deviceWasMissing = true;
        return open("");
      });
    } catch (error) {
      throw new Problem(CAMERA_ERRORS[error.name] ?? "camera_failed");
    }
  }

  /** @returns {Promise<MediaStream | null>} null if the person closed the picker */
  async #openScreen() {
    if (!navigator.mediaDevices?.getDisplayMedia) throw new Problem(isSecureContext ? "screen_unsupported" : "insecure");
    try {
      return await navigator.mediaDevices.getDisplayMedia(SCREEN);
    } catch (error) {
      // A refusal by the system or by a policy has the same name as the person's own; only its words tell.
      if (error.name === "NotAllowedError" && !/system|policy/i.test(error.message)) return null;
      throw error;
    }
  }

  #ended(kind) {
    this.stop();
    this.#onEnd(kind === "camera" ? new Problem("camera_gone") : null);
  }

  /** The next one is due only when this one is done, so that a slow machine does not fall behind. */
  async #picture(stream) {
    const began = performance.now();
    const picture = this.#mayEncode() ? await this.#encode() : null;
    if (stream !== this.#stream) return;
    this.#timer = setTimeout(() => this.#picture(stream), Math.max(0, EVERY - (performance.now() - began)));
    if (picture) this.#onFrame(picture);
  }

  /** @returns {Promise<string | null>} base64; null where there is no picture to be had */
  async #encode() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth) return null;
    const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
    this.#canvas.width = Math.max(1, Math.round(scale * videoWidth));
    this.#canvas.height = Math.max(1, Math.round(scale * videoHeight));
    const context = this.#canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high"; // or the letters of a large screen fall apart
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!blob) return null;
    const reader = new FileReader();
    await new Promise((resolve) => {
      reader.onloadend = resolve;
      reader.readAsDataURL(blob);
    });
    return reader.result?.slice(reader.result.indexOf(",") + 1) ?? null;
  }
}
