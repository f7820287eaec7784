/**
 * Hears what goes to the loudspeaker, and tells only where sound begins and ends: a conversation of minutes passes
 * through it without a trace in the page's memory.
 *
 * in:  boolean, whether to record
 * out: {frame, sounds} an edge: the first sample of a sound, or the one after its last · {frame, samples} a recording
 */

const SILENT = 0.5 / 32768; // half a step of 16 bit
const QUIET = 0.01 * sampleRate; // a sound has ended after so many silent samples
const BLOCK = 128 * Math.round((0.5 * sampleRate) / 128);

class Tap extends AudioWorkletProcessor {
  #sounds = false;
  #last = 0;
  #records = false;
  #block = null;
  #filled = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (this.#records && !data) this.#post();
      this.#records = data;
    };
  }

  process([[samples]]) {
    for (let i = 0; samples && i < samples.length; i += 1) {
      if (Math.abs(samples[i]) <= SILENT) continue;
      this.#last = currentFrame + i;
      if (!this.#sounds) this.#edge(this.#last, true);
    }
    if (this.#sounds && currentFrame + 128 - this.#last > QUIET) this.#edge(this.#last + 1, false);
    if (this.#records) this.#record(samples);
    return true;
  }

  #edge(frame, sounds) {
    this.#sounds = sounds;
    this.port.postMessage({ frame, sounds });
  }

  #record(samples) {
    this.#block ??= { frame: currentFrame, samples: new Float32Array(BLOCK) };
    if (samples) this.#block.samples.set(samples, this.#filled);
    this.#filled += 128;
    if (this.#filled === BLOCK) this.#post();
  }

  #post() {
    if (!this.#block) return;
    const { frame, samples } = this.#block;
    this.port.postMessage({ frame, samples: samples.subarray(0, this.#filled) });
    this.#block = null;
    this.#filled = 0;
  }
}

registerProcessor("page-tap", Tap);
