const LARGEST = 4096;
const WORDS = { running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

const readable = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return text.length > LARGEST ? `${text.slice(0, LARGEST)}\n… cut at 4 KB; the whole stands in the admin.` : text;
};

/** One call of a tool: running, then done or failed. */
class ToolCard {
  #details;
  #status;
  #duration;
  #body;
  #timer;

  constructor(template, name, args) {
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.#details = part("details");
    this.#status = part(".tool-status");
    this.#duration = part(".tool-duration");
    this.#body = part("dl");
    part(".tool-name").textContent = name;
    this.#show("running");
    this.#add("Arguments", args);
    const started = performance.now();
    this.#timer = setInterval(() => this.#time(performance.now() - started), 100);
  }

  finish({ status, result, error, durationMs }) {
    clearInterval(this.#timer);
    if (durationMs !== undefined) this.#time(durationMs);
    if (result !== undefined && result !== null) this.#add("Result", result);
    if (error) this.#add("Error", error);
    this.#show(error ? "failed" : status === "cancelled" ? "cancelled" : "done");
    if (error) this.#details.open = true;
  }

  #show(status) {
    this.#details.dataset.status = status;
    this.#status.textContent = WORDS[status];
  }

  #time(ms) {
    this.#duration.textContent = ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  }

  #add(term, value) {
    const dt = document.createElement("dt");
    dt.textContent = term;
    const dd = document.createElement("dd");
    dd.appendChild(document.createElement("pre")).textContent = readable(value);
    this.#body.append(dt, dd);
  }
}

/** The tools that the model calls, each as a card in the transcript. */
export class ToolCards {
  #template;
  #place;
  #cards = new Map();

  constructor(template, place) {
    this.#template = template;
    this.#place = place;
  }

  start({ callId, name, args }) {
    const card = new ToolCard(this.#template, name, args);
    this.#cards.set(callId, card);
    this.#place(card.element);
  }

  finish(result) {
    this.#cards.get(result.callId)?.finish(result);
    this.#cards.delete(result.callId);
  }

  /** The connection is gone: no result comes here any more. */
  abandon() {
    for (const card of this.#cards.values()) card.finish({ error: "The connection was lost before the result came." });
    this.#cards.clear();
  }
}
