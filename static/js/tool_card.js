import { gettext, interpolate } from "./i18n.js";

const LARGEST = 4096;
const WORDS = {
  asking: gettext("Waits for you"),
  running: gettext("Running"),
  done: gettext("Done"),
  failed: gettext("Failed"),
  denied: gettext("Denied"),
  cancelled: gettext("Cancelled"),
};

const readable = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** One call of a tool: perhaps waiting for a click, running, then done or failed. */
export class ToolCard {
  #details;
  #status;
  #duration;
  #body;
  #progress;
  #ask;
  #timer;

  constructor(name, args) {
    this.element = document.getElementById("tool-card").content.firstElementChild.cloneNode(true);
    const part = (selector) => this.element.querySelector(selector);
    this.#details = part("details");
    this.#status = part(".tool-status");
    this.#duration = part(".tool-duration");
    this.#body = part("dl");
    this.#progress = part(".tool-progress");
    this.#ask = part(".tool-ask");
    part(".tool-name").textContent = name;
    this.#show("running");
    this.#add(gettext("Arguments"), args);
    const started = performance.now();
    this.#timer = setInterval(() => this.#time(performance.now() - started), 100);
  }

  /** @param {(approved: boolean) => void} decide */
  ask(name, decide) {
    this.#details.open = true; // what is agreed to has to be seen
    this.#show("asking");
    this.#ask.hidden = false;
    this.#ask.querySelector("p").textContent = interpolate(gettext("May %(name)s run with these arguments?"), { name });
    const answer = (approved) => {
      this.#details.querySelector("summary").focus(); // the buttons go away
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
      this.#add(gettext("Part"), part);
    }
  }

  finish({ status, result, error, durationMs }) {
    clearInterval(this.#timer);
    this.#progress.hidden = this.#ask.hidden = true;
    if (durationMs !== undefined) this.#time(durationMs);
    if (result !== undefined && result !== null) this.#add(gettext("Result"), result);
    if (error) this.#add(gettext("Error"), error);
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
    const text = readable(value);
    const element = document.getElementById("tool-value").content.cloneNode(true);
    const part = (selector) => element.querySelector(selector);
    part("dt").textContent = term;
    part("pre").textContent = text.slice(0, LARGEST);
    if (text.length > LARGEST) part(".cut").textContent = gettext("Cut at 4 KB. Copy takes the whole.");
    const copy = part("button");
    copy.onclick = async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.dataset.copied = "";
      } catch {
        getSelection().selectAllChildren(copy.parentElement.querySelector("pre")); // not allowed: then by hand
      }
    };
    this.#body.append(element);
  }
}
