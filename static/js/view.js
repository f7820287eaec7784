import { canInterrupt, describe, isConnected, isHeard, isOpen } from "./state.js";

const ANNOUNCE_AFTER = 500;

/** The stage, the header and the dock: shows a state, knows nothing of conversations. */
export class View {
  #part = (id) => document.getElementById(id);
  #phrases = this.#part("phrases");
  #input = this.#part("text");
  #timer = null;
  #announcing = null;
  #frame = null;
  #level = 0;

  /** @param {{start(), end(), interrupt(), mute(), pause(), send(text: string)}} actions what the person can ask for */
  constructor(actions) {
    for (const id of ["start", "end", "interrupt", "mute", "pause"]) {
      this.#part(id).addEventListener("click", () => actions[id]());
    }
    this.#part("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      if (!text) return;
      this.#input.value = "";
      actions.send(text);
    });
    this.#phrases.addEventListener("click", ({ target }) => {
      const phrase = target.closest("button");
      if (phrase) actions.send(phrase.textContent);
    });
  }

  show(state) {
    const { body, activeElement } = document;
    const { label, hint } = describe(state);
    const open = isOpen(state);
    const speaks = open && state.microphone;
    body.dataset.state = state.phase;
    body.toggleAttribute("data-unheard", !isHeard(state));
    body.toggleAttribute("data-talking", state.talking);
    this.#part("label").textContent = label;
    this.#part("hint").textContent = hint;
    this.#part("start").hidden = open && (state.microphone || !isConnected(state));
    this.#part("start-word").hidden = isConnected(state);
    this.#part("speak-word").hidden = !isConnected(state);
    this.#part("end").hidden = !open;
    this.#part("interrupt").hidden = !canInterrupt(state);
    this.#part("pause").hidden = !speaks || state.phase === "connecting";
    this.#part("talk").hidden = !(speaks && state.manual);
    this.#part("talk").setAttribute("aria-pressed", state.talking);
    this.#part("mute").hidden = !speaks || state.manual;
    this.#part("mute").setAttribute("aria-pressed", state.muted);
    this.#keepFocus(activeElement);
    this.#announce(label);
  }

  /** Tells a screen reader a sentence of the conversation. */
  say(text) {
    this.#part("said").textContent = text;
  }

  /** @param {number} rms 0 to 1; speech lies around 0.1. Drawn with the next frame of the screen. */
  level(rms) {
    this.#level = rms;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      const scale = 0.72 + 0.28 * Math.min(1, 5 * this.#level);
      this.#part("orb").style.setProperty("--level", scale.toFixed(3));
    });
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

  latency(ms) {
    this.#part("latency").textContent = `${Math.round(ms)} ms`;
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
    this.level(0);
  }

  write() {
    this.#input.focus();
  }

  /** What could not be sent goes back where it was written. */
  giveBack(text) {
    this.#input.value = [text, this.#input.value].filter(Boolean).join(" ");
  }

  /** Of a button that goes away. Not to its neighbour: Space, held to talk, would press that one. */
  #keepFocus(focused) {
    if (focused?.closest(".controls, .orb") && !focused.checkVisibility()) document.querySelector(".controls").focus();
  }

  /** Without taking the word from a screen reader at every change. */
  #announce(label) {
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => (this.#part("announcer").textContent = label), ANNOUNCE_AFTER);
  }
}
