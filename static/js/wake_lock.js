/** Keeps the screen awake during a conversation, where the browser can. */
export class WakeLock {
  #isWanted = false;
  #request = null; // that the browser has not answered yet
  #lock = null;

  constructor() {
    // A hidden page loses its lock.
    document.addEventListener("visibilitychange", () => {
      if (this.#isWanted && document.visibilityState === "visible") this.hold();
    });
  }

  /** Never fails: a low battery may refuse it, and the conversation goes on all the same. */
  async hold() {
    this.#isWanted = true;
    this.#request ??= this.#take().finally(() => (this.#request = null));
    await this.#request;
  }

  release() {
    this.#isWanted = false;
    this.#lock?.release().catch(() => {});
    this.#lock = null;
  }

  async #take() {
    if (this.#lock?.released === false) return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
    } catch {
      return; // this browser has none, or refuses it
    }
    if (!this.#isWanted) this.release();
  }
}
