import { gettext, interpolate } from "./i18n.js";

const LABELS = {
  retry: gettext("Try again"),
  start: gettext("Start"),
  settings: gettext("Settings"),
  login: gettext("Log in"),
  resume: gettext("Turn sound on"),
};

/** The line above the page: a cause and what to do about it, at most one. */
export class Notices {
  #box = document.getElementById("notice");
  #text = document.getElementById("notice-text");
  #countdown = document.getElementById("notice-countdown");
  #button = document.getElementById("notice-action");
  #shown = null;
  #run = null;
  #timer = null;

  constructor() {
    this.#button.addEventListener("click", () => this.#act());
    document.getElementById("notice-close").addEventListener("click", () => this.clear());
  }

  /**
   * @param {{code: string, message: string, action?: string, retryAfter?: number}} problem
   * @param {() => void} run what the problem's action does; after `retryAfter` seconds it happens by itself
   */
  show({ code, message, action = null, retryAfter = null }, run = null) {
    // Told twice, as an error and as the reason of the end, it is read out once.
    if (code !== this.#shown || message !== this.#text.textContent) this.clear();
    clearTimeout(this.#timer);
    this.#shown = code;
    this.#run = run;
    this.#button.hidden = !(action && run);
    this.#button.textContent = LABELS[action] ?? "";
    this.#box.hidden = false;
    // After the box is there, or a screen reader misses it.
    if (this.#text.textContent !== message) this.#text.textContent = message;
    if (retryAfter) this.#countDown(retryAfter);
  }

  /** Takes the notice away; with codes only if it is one of those. */
  clear(...codes) {
    if (codes.length && !codes.includes(this.#shown)) return;
    clearTimeout(this.#timer);
    this.#shown = null;
    if (this.#box.contains(document.activeElement)) document.querySelector(".controls").focus();
    this.#box.hidden = true;
    this.#text.textContent = this.#countdown.textContent = "";
  }

  #countDown(seconds) {
    if (seconds <= 0) {
      this.#act();
      return;
    }
    this.#countdown.textContent = interpolate(gettext("Retrying in %(seconds)s s."), { seconds });
    this.#timer = setTimeout(() => this.#countDown(seconds - 1), 1000);
  }

  #act() {
    clearTimeout(this.#timer);
    this.#run?.();
  }
}
