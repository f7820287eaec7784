/** One side of one turn: a line of the conversation. */
class Line {
  #speaker;
  #text;
  #said = "";
  #heard = null; // share of an interrupted reply that was played

  constructor(speaker, isUser) {
    this.element = document.createElement("li");
    this.element.className = isUser ? "line line-user" : "line line-model";
    this.element.dataset.partial = "";
    this.#speaker = this.element.appendChild(document.createElement("span"));
    this.#speaker.className = "speaker";
    this.#speaker.textContent = speaker;
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
    if (this.#heard === null) this.#speaker.textContent += " · interrupted";
    this.element.dataset.interrupted = "";
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

/** What both sides said, turn by turn, and the tool cards between. */
export class Transcript {
  #list;
  #jump;
  #lines = new Map();
  #typed = []; // lines that the server has not confirmed yet
  #isAtEnd = true;

  constructor(list, jump) {
    this.#list = list;
    this.#jump = jump;
    const scroller = list.parentElement;
    scroller.addEventListener("scroll", () => {
      this.#isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
      if (this.#isAtEnd) this.#jump.hidden = true;
    });
    jump.addEventListener("click", () => this.#toEnd());
    const resized = new ResizeObserver(() => this.#isAtEnd && this.#toEnd());
    resized.observe(list);
    resized.observe(scroller);
  }

  /** A typed message: stands here at once, and is final when the server repeats it. */
  add(text) {
    const line = new Line("You", true);
    line.append(text);
    this.#typed.push(line);
    this.place(line.element);
  }

  /** The newest typed messages that never left this page disappear. */
  takeBack(count) {
    const first = this.#typed.length - count;
    for (const line of this.#typed.splice(first)) line.element.remove();
  }

  append(turn, isUser, delta) {
    if (!delta) return;
    const key = `${isUser}:${turn}`;
    if (isUser && this.#typed[0]?.text === delta.trim()) {
      const typed = this.#typed.shift();
      typed.finish();
      if (!this.#lines.has(key)) this.#lines.set(key, typed);
      return;
    }
    let line = this.#lines.get(key);
    if (!line) {
      line = new Line(isUser ? "You" : "Gemini", isUser);
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
    line.textContent = "New conversation";
    this.place(line);
  }

  place(element) {
    this.#list.append(element);
    this.#follow();
  }

  #follow() {
    if (this.#isAtEnd) this.#toEnd();
    else this.#jump.hidden = false;
  }

  #toEnd() {
    this.#isAtEnd = true;
    this.#jump.hidden = true;
    const scroller = this.#list.parentElement;
    scroller.scrollTop = scroller.scrollHeight;
  }
}
