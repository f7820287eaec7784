import { gettext, interpolate } from "./i18n.js";

const KINDS = { microphones: "audioinput", speakers: "audiooutput", cameras: "videoinput" };
/** Other names of a device that is in the list already, and "" for one that may not be told apart before a permission. */
const ALIASES = new Set(["", "default", "communications"]);
const HANDS_FREE = /hands[\s-]?free|\bAG Audio\b|\bbluetooth\b|\b(HFP|HSP)\b/i;

const numbered = {
  microphones: (number) => interpolate(gettext("Microphone %(number)s"), { number }),
  speakers: (number) => interpolate(gettext("Speaker %(number)s"), { number }),
  cameras: (number) => interpolate(gettext("Camera %(number)s"), { number }),
};

/** The microphones, speakers and cameras that can be chosen, kept up to date while they come and go. */
export class Devices {
  #changed;
  #lists = { microphones: [], speakers: [], cameras: [] };

  /** @param {(lists) => void} changed the lists are others than before: a device, or its name after a permission */
  constructor({ changed }) {
    this.#changed = changed;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.refresh());
  }

  /**
   * @param {string} label a microphone's
   * @returns {boolean} whether it is a Bluetooth headset's hands-free profile, in which everything sounds like a telephone
   */
  static isHandsFree(label) {
    return HANDS_FREE.test(label);
  }

  get canChooseSpeaker() {
    return "setSinkId" in AudioContext.prototype;
  }

  /** @returns {{microphones, speakers, cameras}} each [{id, label}]; the system's default is not among them */
  get lists() {
    return this.#lists;
  }

  /** Worth a call after a permission: browsers tell names only then. */
  async refresh() {
    const devices = await this.#enumerate();
    const lists = {};
    for (const [name, kind] of Object.entries(KINDS)) {
      lists[name] = devices
        .filter((device) => device.kind === kind && !ALIASES.has(device.deviceId))
        .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || numbered[name](index + 1) }));
    }
    if (JSON.stringify(lists) !== JSON.stringify(this.#lists)) {
      this.#lists = lists;
      this.#changed(lists);
    }
    return this.#lists;
  }

  async #enumerate() {
    try {
      return (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    } catch {
      return []; // a policy forbids it: the system's default is all there is
    }
  }
}
