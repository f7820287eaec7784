/** Typed messages on their way: each stands in the transcript at once, and goes out as soon as the server is there. */
export class Outbox {
  // The server tells by it what it has already. Not randomUUID(), which plain http to another machine does not have.
  #page = Math.random().toString(36).slice(2);
  #count = 0;
  #transcript;
  #view;
  #waiting = [];

  constructor({ transcript, view }) {
    this.#transcript = transcript;
    this.#view = view;
  }

  add(text) {
    this.#count += 1;
    const message = { text, messageId: `${this.#page}-${this.#count}` };
    this.#transcript.add(message);
    this.#waiting.push(message);
  }

  /** @returns {{text, messageId} | undefined} the next that has to go out */
  next() {
    return this.#waiting.shift();
  }

  /** The page itself leaves the connection: what it has sent arrives, though nobody will say so here. */
  left() {
    this.#transcript.confirm(this.#transcript.unconfirmed.length - this.#waiting.length);
  }

  /** What the server has not confirmed may have gone down with the connection: it goes out on the next one. */
  lost() {
    this.#waiting = this.#transcript.unconfirmed;
  }

  /** There is no next connection: what has not arrived stands where it was written. */
  giveBack() {
    this.#waiting = [];
    const texts = this.#transcript.takeBack().map(({ text }) => text);
    this.#view.giveBack(texts.join(" "));
  }
}
