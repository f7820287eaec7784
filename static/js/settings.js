const STORED = "gemlive.settings";
const BUDGET = /^(-1|\d{1,6})$/; // as the form has it
export const DEFAULTS = {
  microphone: "", // "": the system's choice
  speaker: "",
  camera: "",
  processing: true,
  activityDetection: "automatic",
  model: "",
  voice: "",
  language: "",
  systemInstruction: "",
  thinkingLevel: "",
  thinkingBudget: "",
  affectiveDialog: false,
  proactiveAudio: false,
  toolsOff: [], // not those that are on: a new tool is offered
  keys: true,
};

/** Of what was stored, perhaps by another version of the page or by hand: what this one can use. */
function readable(stored) {
  const fits = ([name, value]) =>
    Array.isArray(DEFAULTS[name])
      ? Array.isArray(value) && value.every((item) => typeof item === "string")
      : typeof value === typeof DEFAULTS[name]; // undefined where there is no such setting
  return Object.fromEntries(Object.entries(stored ?? {}).filter(fits));
}

/** What the person has chosen, kept in this browser. */
export class Settings {
  #options;
  #values;

  /** @param {object} options what the server offers: models, voices, languages, tools, defaults */
  constructor(options) {
    this.#options = options;
    this.#values = { ...DEFAULTS, ...readable(this.#load()) };
  }

  get values() {
    return { ...this.#values };
  }

  /** @param {object} values those that change */
  save(values) {
    this.#values = { ...this.#values, ...values };
    try {
      localStorage.setItem(STORED, JSON.stringify(this.#values));
    } catch {
      // A private window may have no storage: the choice holds until the page is left.
    }
  }

  get microphone() {
    return { deviceId: this.#values.microphone, processing: this.#values.processing };
  }

  get isManual() {
    return this.#values.activityDetection === "manual";
  }

  /** @param {string} name "" for the server's own */
  model(name = this.#values.model) {
    const { models } = this.#options;
    return models.find((model) => model.name === name) ?? models[0];
  }

  /** The data of `connect`: what was chosen, as far as it is offered and the model takes it. */
  get configuration() {
    const chosen = this.#values;
    const { voices, languages, thinkingLevels, defaults } = this.#options;
    const model = this.model();
    // Told also where they are the defaults: the session may be an earlier one that was set up otherwise.
    const data = {};
    data.model = model.name;
    data.activityDetection = this.isManual ? "manual" : "automatic";
    // What is not offered any more is the server's choice again.
    const voice = voices.some(({ name }) => name === chosen.voice) ? chosen.voice : defaults.voice;
    if (voice) data.voice = voice;
    if (languages.some(({ code }) => code === chosen.language)) data.language = chosen.language;
    if (chosen.systemInstruction) data.systemInstruction = chosen.systemInstruction;
    const off = this.#options.tools.filter(({ name }) => chosen.toolsOff.includes(name));
    if (off.length) data.tools = this.#options.tools.filter((tool) => !off.includes(tool)).map(({ name }) => name);
    if (model.affective && chosen.affectiveDialog) data.affectiveDialog = true;
    if (model.proactive === "optional" && chosen.proactiveAudio) data.proactiveAudio = true;
    if (model.thinking.includes("level")) {
      if (thinkingLevels.includes(chosen.thinkingLevel)) data.thinkingLevel = chosen.thinkingLevel;
      else if (model.thinkingRequired) data.thinkingLevel = "low";
    } else if (model.thinking.includes("budget") && BUDGET.test(chosen.thinkingBudget)) {
      data.thinkingBudget = Number(chosen.thinkingBudget);
    }
    return data;
  }

  #load() {
    try {
      return JSON.parse(localStorage.getItem(STORED)) ?? {};
    } catch {
      return {};
    }
  }
}
