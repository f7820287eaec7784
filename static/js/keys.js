const TYPING = "input, textarea, select, [contenteditable]";
const PRESSED = "button, summary, a, video"; // Space is theirs

/** The keyboard: Space is held to talk, the others are single letters. */
export class Keys {
  #actions;
  #holding = false;
  isOn = true;

  /** @param {{hold(), release(), mute(), interrupt(), write(), camera(), help()}} actions */
  constructor(actions) {
    this.#actions = actions;
    document.addEventListener("keydown", (event) => this.#down(event));
    document.addEventListener("keyup", ({ key }) => key === " " && this.#release());
    addEventListener("blur", () => this.#release());
    document.addEventListener("visibilitychange", () => document.hidden && this.#release());
  }

  #down(event) {
    const { key, target } = event;
    if (event.repeat && key === " " && this.#holding) event.preventDefault(); // the page would scroll
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (key === "Escape") this.#actions.interrupt(); // also while somebody types
    if (!this.isOn || target.closest(TYPING)) return;
    if (key === " " && !target.closest(PRESSED)) {
      event.preventDefault();
      this.#holding = true;
      this.#actions.hold();
      return;
    }
    const action = { m: "mute", "/": "write", c: "camera", "?": "help" }[key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    this.#actions[action]();
  }

  #release() {
    if (!this.#holding) return;
    this.#holding = false;
    this.#actions.release();
  }
}
