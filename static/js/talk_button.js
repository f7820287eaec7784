/** Push-to-talk by finger, mouse, or the button's own keys; a click that no pointer made (a screen reader's) toggles. */
export class TalkButton {
  #button;
  #actions;
  #held = false;
  #byKey = false;

  /** @param {{hold(), release()}} actions */
  constructor(button, actions) {
    this.#button = button;
    this.#actions = actions;
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId); // the finger may slide off
      this.#hold();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(end, () => this.#release());
    }
    button.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault(); // no click
      if (event.repeat) return;
      this.#byKey = true;
      this.#hold();
    });
    button.addEventListener("blur", () => this.#byKey && this.#release()); // another element gets the key's end
    button.addEventListener("keyup", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault(); // Firefox makes its click here
      this.#release();
    });
    button.addEventListener("click", ({ detail }) => {
      if (detail !== 0) return;
      // What is on, not what was pressed: a lost connection lets go by itself.
      if (button.getAttribute("aria-pressed") === "true") this.#release();
      else this.#hold();
    });
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press on a phone
    addEventListener("blur", () => this.#release());
    document.addEventListener("visibilitychange", () => document.hidden && this.#release());
  }

  #hold() {
    this.#held = true;
    this.#actions.hold();
  }

  #release() {
    if (!this.#held) return;
    this.#held = this.#byKey = false;
    this.#actions.release();
  }
}
