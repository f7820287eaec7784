import { gettext } from "./i18n.js";
import { Line } from "./line.js";

/** What both sides said, turn by turn, and the tool cards between. */
export class Transcript {
  #list;
  #jump;
  #lines = new Map();
  #typed = []; // {line, message} that the server has not confirmed yet
  #isAtEnd = true;
  #laidOut = "";

  constructor(list, jump) {
    this.#list = list;
    this.#jump = jump;
    const scroller = list.parentElement;
    scroller.addEventListener("scroll", () => {
      if (this.#layout !== this.#laidOut) return; // what grew moved it, not the person
      this.#isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
      if (this.#isAtEnd) this.#jump.hidden = true;
    });
    jump.addEventListener("click", () => {
      this.#toEnd();
      scroller.focus(); // which the button loses, as it goes away
    });
    const resized = new ResizeObserver(() => {
      this.#laidOut = this.#layout;
      if (this.#isAtEnd) this.#toEnd();
    });
    resized.observe(list);
    resized.observe(scroller);
  }

  /** A typed message: stands here at once, and is final when the server repeats it. */
  add(message) {
    const line = new Line(true);
    line.append(message.text);
    this.#typed.push({ line, message });
    this.place(line.element);
  }

  /** Typed messages that the server has not confirmed, the oldest first. */
  get unconfirmed() {
    return this.#typed.map(({ message }) => message);
  }

  /** The oldest typed messages have arrived, though nobody will say so. */
  confirm(count) {
    for (const { line } of this.#typed.splice(0, count)) line.finish();
  }

  /** Typed messages that were not confirmed disappear. @returns {object[]} what they were */
  takeBack() {
    const messages = this.unconfirmed;
    for (const { line } of this.#typed.splice(0)) line.element.remove();
    return messages;
  }

  append(turn, isUser, delta) {
    if (!delta) return;
    const key = `${isUser}:${turn}`;
    if (isUser && this.#typed[0]?.message.text === delta.trim()) {
      const { line: typed } = this.#typed.shift();
      typed.finish();
      if (!this.#lines.has(key)) this.#lines.set(key, typed);
      return;
    }
    let line = this.#lines.get(key);
    if (!line) {
      line = new Line(isUser);
      this.#lines.set(key, line);
      // What was asked stands before its answer, also where its text comes later.
      const answer = isUser ? this.#lines.get(`false:${turn}`)?.element : null;
      if (answer) this.#list.insertBefore(line.element, answer);
      else this.#list.append(line.element);
    }
    line.append(delta);
    this.#follow();
  }

  /** @returns {string} the text of the line */
  finish(turn, isUser) {
    const line = this.#lines.get(`${isUser}:${turn}`);
    line?.finish();
    return line?.text ?? "";
  }

  interrupt(turn, heard) {
    this.#lines.get(`false:${turn}`)?.interrupt(heard);
  }

  /** The connection is gone: what is there is all that comes, and the next one counts its turns anew. */
  finishAll() {
    for (const line of this.#lines.values()) line.finish();
    this.#lines.clear();
  }

  /** A new conversation; what was said before stays readable. */
  separate() {
    if (!this.#list.childElementCount) return;
    const line = document.createElement("li");
    line.className = "separator";
    line.textContent = gettext("New conversation");
    this.place(line);
  }

  /** What was said before the page was loaded anew. @param {object} entry as REST has it */
  restore({ role, text, interrupted, heardMs, audioMs }) {
    const line = new Line(role === "user");
    line.append(text);
    line.finish();
    if (interrupted && role === "model") line.interrupt(audioMs ? (heardMs ?? 0) / audioMs : 0);
    this.place(line.element);
  }

  place(element) {
    this.#list.append(element);
    this.#follow();
  }

  #follow() {
    if (this.#isAtEnd) this.#toEnd();
    else this.#jump.hidden = false;
  }

  get #layout() {
    const { clientWidth, clientHeight, scrollHeight } = this.#list.parentElement;
    return `${clientWidth} ${clientHeight} ${scrollHeight}`;
  }

  #toEnd() {
    this.#isAtEnd = true;
    this.#laidOut = this.#layout;
    this.#jump.hidden = true;
    const scroller = this.#list.parentElement;
    scroller.scrollTop = scroller.scrollHeight;
  }
}
