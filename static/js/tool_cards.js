const LARGEST = 4096;
const WORDS = {
  asking: "Waits for you",
  running: "Running",
  done: "Done",
  failed: "Failed",
  denied: "Denied",
  cancelled: "Cancelled",
};

const readable = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return text.length > LARGEST ? `${text.slice(0, LARGEST)}\n… cut at 4 KB; the whole stands in the admin.` : text;
};

/** One call of a tool: perhaps waiting for a click, running, then done or failed. */
class ToolCard {
  #details;
  #status;
  #duration;
  #body;
  #progress;
  #ask;
  #timer;

  constructor(template, name, args) {
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.#details = part("details");
    this.#status = part(".tool-status");
    this.#duration = part(".tool-duration");
    this.#body = part("dl");
    this.#progress = part(".tool-progress");
    this.#ask = part(".tool-ask");
    part(".tool-name").textContent = name;
    this.#show("running");
    this.#add("Arguments", args);
    const started = performance.now();
    this.#timer = setInterval(() => this.#time(performance.now() - started), 100);
  }

  /** @param {(approved: boolean) => void} decide */
  ask(name, decide) {
    this.#details.open = true; // what is agreed to has to be seen
    this.#show("asking");
    this.#ask.hidden = false;
    this.#ask.querySelector("p").textContent = `May ${name} run with these arguments?`;
    const answer = (approved) => {
      this.#ask.hidden = true;
      this.#show("running");
      decide(approved);
    };
    this.#ask.querySelector(".tool-allow").onclick = () => answer(true);
    this.#ask.querySelector(".tool-deny").onclick = () => answer(false);
  }

  /** What the tool says before its end. */
  progress({ text, part }) {
    if (text !== undefined) {
      this.#progress.hidden = false;
      this.#progress.textContent = text;
    } else {
      this.#add("Part", part);
    }
  }

  finish({ status, result, error, durationMs }) {
    clearInterval(this.#timer);
    this.#progress.hidden = this.#ask.hidden = true;
    if (durationMs !== undefined) this.#time(durationMs);
    if (result !== undefined && result !== null) this.#add("Result", result);
    if (error) this.#add("Error", error);
    const refused = status === "cancelled" || status === "denied";
    this.#show(refused ? status : error ? "failed" : "done");
    if (error && !refused) this.#details.open = true;
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
  #decide;
  #cards = new Map();

  /** @param {(click: {callId, approved, argsHash}) => void} decide what a person's click on Allow or Deny does */
  constructor(template, place, decide) {
    this.#template = template;
    this.#place = place;
    this.#decide = decide;
  }

  /** Also for a call that is here already: after a lost connection the server asks again. */
  start({ callId, name, args, needsApproval, argsHash }) {
    let card = this.#cards.get(callId);
    if (!card) {
      card = new ToolCard(this.#template, name, args);
      this.#cards.set(callId, card);
      this.#place(card.element);
    }
    if (needsApproval) card.ask(name, (approved) => this.#decide({ callId, approved, argsHash }));
  }

  progress(said) {
    this.#cards.get(said.callId)?.progress(said);
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
