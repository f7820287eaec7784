import { Devices } from "./devices.js";
import { gettext } from "./i18n.js";
import { DEFAULTS } from "./settings.js";

/** The form of the settings, in a native dialog. */
export class SettingsDialog {
  #dialog = document.getElementById("settings");
  #form = this.#dialog.querySelector("form");
  #settings;
  #options;
  #devices;

  /**
   * @param {Settings} settings
   * @param {object} options what the server offers
   * @param {(before, now) => void} changed with `values` and `configuration` of each
   */
  constructor(settings, options, changed) {
    this.#settings = settings;
    this.#options = options;
    this.#devices = new Devices({ changed: () => this.#dialog.open && this.#showDevices(this.#read()) });
    this.#fill();
    this.#form.elements.model.addEventListener("change", () => this.#showModel());
    this.#form.elements.microphone.addEventListener("change", () => this.#showHandsFree());
    this.#form.addEventListener("reset", (event) => {
      event.preventDefault();
      this.#show(DEFAULTS);
    });
    this.#form.addEventListener("submit", () => {
      const { values, configuration } = settings;
      settings.save(this.#read());
      changed({ values, configuration }, { values: settings.values, configuration: settings.configuration });
    });
    document.getElementById("settings-cancel").addEventListener("click", () => this.#dialog.close());
  }

  async open() {
    if (this.#dialog.open) return;
    this.#show(this.#settings.values);
    this.#dialog.showModal(); // the browser gives the focus back to the opener
    await this.#devices.refresh();
    this.#showDevices(this.#settings.values);
  }

  /** Choices of the server stand as long as the page. */
  #fill() {
    const { models, defaults, voices, languages, tools, thinkingLevels } = this.#options;
    const { model, voice, language, thinkingLevel } = this.#form.elements;
    const server = gettext("Server's choice");
    this.#choices(model, [["", `${server} (${defaults.model})`], ...models.map(({ name }) => [name, name])]);
    const spoken = voices.map(({ name, character }) => [name, character ? `${name} · ${character}` : name]);
    this.#choices(voice, [["", `${server} (${defaults.voice})`], ...spoken]);
    this.#choices(language, [["", gettext("As it is spoken")], ...languages.map(({ code, name }) => [code, name])]);
    this.#choices(thinkingLevel, [["", gettext("Model's choice")], ...thinkingLevels.map((level) => [level, level])]);
    const list = document.getElementById("settings-tools");
    list.hidden = !tools.length;
    for (const { name, description, approval } of tools) {
      const tool = document.getElementById("settings-tool").content.cloneNode(true);
      tool.querySelector("input").value = name;
      tool.querySelector(".tool-name").textContent = name;
      tool.querySelector(".tool-asks").hidden = !approval;
      tool.querySelector(".tool-does").textContent = description;
      list.append(tool);
    }
  }

  #show(values) {
    const { elements } = this.#form;
    for (const [name, value] of Object.entries(values)) {
      const field = elements[name];
      if (!field) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
    for (const box of this.#toolBoxes) box.checked = !values.toolsOff.includes(box.value);
    this.#showModel();
  }

  #read() {
    const { elements } = this.#form;
    const values = {};
    for (const [name, before] of Object.entries(this.#settings.values)) {
      const field = elements[name];
      if (field) values[name] = typeof before === "boolean" ? field.checked : field.value.trim();
    }
    // A tool that is not offered just now may come back: what was said of it stands.
    const offered = new Set(this.#toolBoxes.map(({ value }) => value));
    const others = this.#settings.values.toolsOff.filter((name) => !offered.has(name));
    values.toolsOff = [...others, ...this.#toolBoxes.filter(({ checked }) => !checked).map(({ value }) => value)];
    return values;
  }

  get #toolBoxes() {
    return [...this.#form.querySelectorAll("input[name=tool]")];
  }

  /** What the chosen model does not take is not offered. */
  #showModel() {
    const model = this.#settings.model(this.#form.elements.model.value);
    const offers = {
      affectiveDialog: model.affective,
      proactiveAudio: model.proactive === "optional",
      thinkingLevel: model.thinking.includes("level"),
      thinkingBudget: model.thinking.includes("budget") && !model.thinking.includes("level"),
    };
    for (const [name, offered] of Object.entries(offers)) {
      const field = this.#form.elements[name];
      field.closest("label").hidden = !offered;
      field.disabled = !offered; // or what cannot be seen could be what is wrong with the form
    }
    document.getElementById("always-proactive").hidden = model.proactive !== "always";
  }

  /** @param {{microphone: string, speaker: string, camera: string}} chosen */
  #showDevices(chosen) {
    const { microphones, speakers, cameras } = this.#devices.lists;
    const { microphone, speaker, camera } = this.#form.elements;
    const show = (select, devices, id) => {
      const choices = [["", gettext("System's choice")], ...devices.map((device) => [device.id, device.label])];
      // Unplugged, or not told before the browser has been asked for a permission: the choice stands.
      if (!choices.some(([known]) => known === id)) choices.push([id, gettext("The one chosen before")]);
      this.#choices(select, choices);
      select.value = id;
    };
    show(microphone, microphones, chosen.microphone);
    show(speaker, speakers, chosen.speaker);
    show(camera, cameras, chosen.camera);
    speaker.closest("label").hidden = !this.#devices.canChooseSpeaker;
    this.#showHandsFree();
  }

  #showHandsFree() {
    const { selectedOptions } = this.#form.elements.microphone;
    document.getElementById("hands-free").hidden = !Devices.isHandsFree(selectedOptions[0]?.textContent ?? "");
  }

  #choices(select, choices) {
    select.replaceChildren(...choices.map(([value, label]) => new Option(label, value)));
  }
}
