import { gettext } from "./i18n.js";
import { ToolCard } from "./tool_card.js";

/** The tools that the model calls, each as a card in the transcript. */
export class ToolCards {
  #place;
  #decide;
  #cards = new Map();

  /** @param {(click: {callId, approved, argsHash}) => void} decide what a person's click on Allow or Deny does */
  constructor(place, decide) {
    this.#place = place;
    this.#decide = decide;
  }

  /** Also for a call that is here already: after a lost connection the server asks again. */
  start({ callId, name, args, needsApproval, argsHash }) {
    let card = this.#cards.get(callId);
    if (!card) {
      card = new ToolCard(name, args);
      this.#cards.set(callId, card);
      this.#place(card.element);
    }
    if (needsApproval) card.ask(name, (approved) => this.#decide({ callId, approved, argsHash }));
  }

  /** A call of before the page was loaded anew. @param {object} call as REST has it */
  restore(call) {
    this.start({ ...call, args: call.arguments });
    if (call.status !== "running") this.finish(call);
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
    for (const card of this.#cards.values()) card.finish({ error: gettext("The connection was lost before the result came.") });
    this.#cards.clear();
  }
}
