import { describe, isConnected, isOpen } from "./state.js";

const ANNOUNCE_AFTER = 500;

/** Everything of the page but the transcript: shows a state, knows nothing of conversations. */
export class View {
  #part = (id) => document.getElementById(id);
  #phrases = this.#part("phrases");
  #notice = this.#part("notice");
  #announcer = this.#part("announcer");
  #timer = null;
  #announcing = null;
  #noticed = null;
  #retry = null;

  /** @param {{start(), end(), mute(), interrupt(), send(text: string)}} actions what the person can ask for */
  constructor(actions) {
    const composer = this.#part("composer");
    const input = this.#part("text");
    this.#part("start").addEventListener("click", actions.start);
    this.#part("end").addEventListener("click", actions.end);
    this.#part("mute").addEventListener("click", actions.mute);
    composer.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (!text) return;
      input.value = "";
      actions.send(text);
    });
    this.#phrases.addEventListener("click", ({ target }) => {
      const phrase = target.closest("button");
      if (phrase) actions.send(phrase.textContent);
    });
    this.#part("notice-retry").addEventListener("click", () => this.#retry?.());
    this.#part("notice-close").addEventListener("click", () => this.clearNotice());
    document.addEventListener("keydown", (event) => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") actions.interrupt();
      if (event.key.toLowerCase() === "m" && !event.target.closest("input, textarea, select")) actions.mute();
    });
  }

  show(state) {
    const { body } = document;
    const { label, hint } = describe(state);
    body.dataset.state = state.phase;
    body.toggleAttribute("data-muted", state.muted);
    this.#part("label").textContent = label;
    this.#part("hint").textContent = hint;
    const start = this.#part("start");
    start.hidden = isOpen(state) && (state.microphone || !isConnected(state));
    start.querySelector("span").textContent = isConnected(state) ? "Speak" : "Start";
    this.#part("end").hidden = !isOpen(state);
    const mute = this.#part("mute");
    mute.hidden = !state.microphone || !isOpen(state);
    mute.setAttribute("aria-pressed", state.muted);
    this.announce(label);
  }

  /** Tells a screen reader, without taking the word from it at every change. */
  announce(text) {
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => (this.#announcer.textContent = text), ANNOUNCE_AFTER);
  }

  /** @param {number} rms 0 to 1; speech lies around 0.1 */
  level(rms) {
    const scale = 0.72 + 0.28 * Math.min(1, 5 * rms);
    this.#part("orb").style.setProperty("--level", scale.toFixed(3));
  }

  /** Who answers; an emulator says so and offers what it understands. */
  backend({ backend, phrases }) {
    this.#part("offline").hidden = this.#part("emulator").hidden = backend !== "emulator";
    if (!phrases) return;
    const buttons = phrases.map((phrase) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "phrase";
      button.textContent = phrase;
      return button;
    });
    this.#phrases.replaceChildren(...buttons);
  }

  /** @param {{code: string, message: string, retry?: () => void}} notice a cause and what to do about it */
  notice({ code, message, retry = null }) {
    this.#noticed = code;
    this.#retry = retry;
    this.#part("notice-retry").hidden = !retry;
    this.#part("notice-text").textContent = message;
    this.#notice.hidden = false;
  }

  /** Takes the notice away; with a code only if it is that one. */
  clearNotice(code = this.#noticed) {
    if (code !== this.#noticed) return;
    this.#notice.hidden = true;
    this.#part("notice-text").textContent = "";
  }

  latency(ms) {
    const chip = this.#part("latency");
    chip.hidden = false;
    chip.textContent = `${Math.round(ms)} ms`;
  }

  startTimer() {
    if (this.#timer) return;
    const began = performance.now();
    const timer = this.#part("timer");
    const show = () => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      timer.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    };
    show();
    timer.hidden = false;
    this.#timer = setInterval(show, 1000);
  }

  stopTimer() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#part("latency").hidden = true;
    this.level(0);
  }

  /** What could not be sent goes back where it was written. */
  giveBack(text) {
    const input = this.#part("text");
    input.value = [text, input.value].filter(Boolean).join(" ");
  }
}
