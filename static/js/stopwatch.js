/** From the end of a question (its last voiced frame, the button's release, the typed line) to the first sound of the answer. */
export class Stopwatch {
  #metrics;
  #since = null;

  constructor(metrics) {
    this.#metrics = metrics;
  }

  asked() {
    this.#since = performance.now();
  }

  answered() {
    if (this.#since !== null) this.#metrics.responseTime(performance.now() - this.#since);
    this.#since = null;
  }

  forget() {
    this.#since = null;
  }
}
