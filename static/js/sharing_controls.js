import { Problem } from "./problems.js";
import { Sharing } from "./sharing.js";
import { isConnected } from "./state.js";

/** Told of an attempt, and over with the next one. */
const PROBLEMS = ["camera_blocked", "camera_missing", "camera_busy", "camera_gone", "camera_failed", "screen_blocked"];

/** The buttons of camera and screen, and the preview with the mark that something is shared. */
export class SharingControls {
  #part = (id) => document.getElementById(id);
  #conversation;
  #settings;
  #sharing;

  constructor(conversation, settings) {
    this.#conversation = conversation;
    this.#settings = settings;
    this.#sharing = new Sharing({
      video: this.#part("preview-video"),
      mayEncode: () => conversation.socket.isLive && !conversation.socket.isSlow,
      onFrame: (data) => conversation.sendImage(data),
      onEnd: (problem) => {
        this.#show();
        if (problem) conversation.faults.tell(problem, () => this.#start("camera"));
      },
    });
    for (const kind of ["camera", "screen"]) this.#part(kind).addEventListener("click", () => this.toggle(kind));
    this.#show();
  }

  async toggle(kind) {
    if (this.#sharing.kind === kind) this.stop();
    else if (isConnected(this.#conversation.state)) await this.#start(kind);
  }

  stop() {
    this.#sharing.stop();
    this.#show();
  }

  /** Another one was chosen in the settings. */
  async changeCamera() {
    if (this.#sharing.kind === "camera") await this.#start("camera");
  }

  async #start(kind) {
    const camera = kind === "camera" ? this.#settings.values.camera : "";
    this.#conversation.faults.over(...PROBLEMS);
    try {
      await this.#sharing.start(kind, camera);
      if (!isConnected(this.#conversation.state)) this.#sharing.stop(); // it ended while the browser asked
      else if (camera && this.#sharing.deviceWasMissing) {
        this.#settings.save({ camera: "" });
        this.#conversation.faults.tell(new Problem("camera_forgotten"));
      }
    } catch (error) {
      this.#conversation.faults.tell(error, () => this.#start(kind));
    }
    this.#show();
  }

  #show() {
    const { kind } = this.#sharing;
    for (const each of ["camera", "screen"]) this.#part(each).setAttribute("aria-pressed", kind === each);
    this.#part("preview").hidden = !kind;
    this.#part("preview-camera").hidden = kind !== "camera";
    this.#part("preview-screen").hidden = kind !== "screen";
  }
}
