import { Problem } from "./problems.js";
import { isOpen } from "./state.js";

/** What goes wrong in a conversation: told with the button that does what the sentence says, and taken back in time. */
export class Faults {
  #conversation;
  #notices;
  #openSettings;
  #failedBy = null;

  constructor(conversation, notices, openSettings) {
    this.#conversation = conversation;
    this.#notices = notices;
    this.#openSettings = openSettings;
    addEventListener("online", () => this.#online());
    addEventListener("offline", () => this.#offline());
  }

  /**
   * @param {Problem} problem
   * @param {() => void} retry
   */
  tell = (problem, retry = () => this.#conversation.again()) => {
    const actions = {
      retry,
      start: retry,
      settings: this.#openSettings,
      login: () => location.assign(document.body.dataset.loginUrl),
      resume: () => this.#conversation.resume(),
    };
    this.#notices.show(problem, actions[problem.action]);
  };

  /** The conversation has ended by this. */
  failed(problem) {
    this.#failedBy = problem;
    this.tell(problem);
  }

  connected() {
    this.over(...Problem.NETWORK, "server_restarts", "database_unavailable");
  }

  /** @param {string[]} codes of problems that need not be told any more */
  over(...codes) {
    this.#notices.clear(...codes);
  }

  /** Told at once; that the connection is gone is noticed later. */
  #offline() {
    if (isOpen(this.#conversation.state)) this.tell(Object.assign(new Problem("offline"), { action: null }));
  }

  /** The network is back: nobody waits for a timer. */
  #online() {
    const { phase } = this.#conversation.state;
    this.over("offline");
    if (phase === "reconnecting" || (phase === "error" && this.#failedBy.isOfNetwork)) this.#conversation.again();
  }
}
