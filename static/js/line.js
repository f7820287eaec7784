import { gettext, interpolate } from "./i18n.js";

/** One side of one turn: a line of the conversation. */
export class Line {
  #speaker;
  #name;
  #text;
  #said = "";
  #heard = null; // share of an interrupted reply that was played

  constructor(isUser) {
    this.#name = isUser ? gettext("You") : "Gemini";
    this.element = document.createElement("li");
    this.element.className = isUser ? "line line-user" : "line line-model";
    this.element.dataset.partial = "";
    this.#speaker = this.element.appendChild(document.createElement("span"));
    this.#speaker.className = "speaker";
    this.#speaker.textContent = this.#name;
    this.#text = this.element.appendChild(document.createElement("p"));
  }

  get text() {
    return this.#said.trim();
  }

  append(delta) {
    this.#said += delta;
    this.#render();
  }

  finish() {
    delete this.element.dataset.partial;
  }

  /** @param {number} heard the share of the reply that was played, 0 to 1 */
  interrupt(heard) {
    this.finish();
    this.element.dataset.interrupted = "";
    this.#speaker.textContent = interpolate(gettext("%(name)s · interrupted"), { name: this.#name });
    this.#heard = heard;
    this.#render();
  }

  #render() {
    const { text } = this;
    const cut = this.#heard === null ? text.length : this.#heardLength(text);
    const unheard = document.createElement("s");
    unheard.textContent = text.slice(cut);
    this.#text.replaceChildren(text.slice(0, cut), ...(cut < text.length ? [unheard] : []));
  }

  /** To the end of the word that was being said; the share of the audio stands for the share of the text. */
  #heardLength(text) {
    if (this.#heard === 0) return 0;
    const space = text.indexOf(" ", Math.round(this.#heard * text.length));
    return space < 0 ? text.length : space;
  }
}
