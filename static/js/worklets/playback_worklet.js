/**
 * Plays s16le at the context's rate out of a ring, turn by turn, and counts exactly what was heard.
 *
 * in:  {type: "audio", turn, buffer} · {type: "end", turn} no more audio of this turn · {type: "flush"} · {type: "stop"}
 * out: {type: "started" | "ended", turn, played} · {type: "flushed", turn, played, dropped} · {type: "underrun"}
 *      {type: "level", rms, queued}; `played`, `dropped` and `queued` are samples
 */

const PREBUFFER = 0.08;
const LONGEST_PREBUFFER = 0.4;
const FADE = Math.round(0.005 * sampleRate);
const LEVEL_EVERY = 1024;

/** One turn's share of the ring; `written` and `played` count its samples. */
class Segment {
  written = 0;
  played = 0;
  started = false;
  ended = false;
  starved = false;

  constructor(turn) {
    this.turn = turn;
  }

  get waiting() {
    return this.written - this.played;
  }
}

class Ring {
  #samples = new Float32Array(120 * sampleRate); // Gemini sends faster than real time
  #start = 0;
  length = 0;

  push(pcm) {
    if (this.length + pcm.length > this.#samples.length) this.#grow();
    let at = (this.#start + this.length) % this.#samples.length;
    for (const value of pcm) {
      this.#samples[at] = value / 32768;
      at = at + 1 === this.#samples.length ? 0 : at + 1;
    }
    this.length += pcm.length;
  }

  shift() {
    const value = this.#samples[this.#start];
    this.#start = this.#start + 1 === this.#samples.length ? 0 : this.#start + 1;
    this.length -= 1;
    return value;
  }

  clear() {
    this.#start = this.length = 0;
  }

  /** Rather one late quantum than a reply with a hole. */
  #grow() {
    const larger = new Float32Array(2 * this.#samples.length);
    const { length } = this;
    for (let i = 0; i < length; i += 1) larger[i] = this.shift();
    this.#samples = larger;
    this.#start = 0;
    this.length = length;
  }
}

class PlaybackWorklet extends AudioWorkletProcessor {
  #ring = new Ring();
  #segments = [];
  #prebuffer = PREBUFFER * sampleRate;
  #playing = false;
  #last = 0;
  #fade = []; // what is still heard of a flushed or starved turn: 5 ms down to nothing
  #energy = 0;
  #counted = 0;
  #running = true;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this[data.type](data);
  }

  audio({ turn, buffer }) {
    let segment = this.#segments.at(-1);
    if (!segment || segment.turn !== turn) {
      if (segment) segment.ended = true;
      segment = new Segment(turn);
      this.#segments.push(segment);
    }
    const pcm = new Int16Array(buffer);
    if (segment.starved) {
      segment.starved = false;
      this.#prebuffer = Math.min(this.#prebuffer * 1.5, LONGEST_PREBUFFER * sampleRate);
      this.port.postMessage({ type: "underrun" });
    }
    this.#ring.push(pcm);
    segment.written += pcm.length;
  }

  end({ turn }) {
    for (const segment of this.#segments) if (segment.turn === turn) segment.ended = true;
  }

  flush() {
    const [first] = this.#segments;
    const tail = this.#playing && first ? Math.min(FADE, first.waiting) : 0;
    for (let i = 0; i < tail; i += 1) this.#fade.push(this.#ring.shift() * (1 - (i + 1) / tail));
    if (first) first.played += tail;
    for (const { turn, played, waiting } of this.#segments) {
      this.port.postMessage({ type: "flushed", turn, played, dropped: waiting });
    }
    this.#segments = [];
    this.#ring.clear();
    this.#playing = false;
  }

  stop() {
    this.#running = false;
  }

  process(_inputs, [[output]]) {
    let filled = 0;
    while (filled < output.length) {
      if (this.#fade.length) {
        output[filled] = this.#last = this.#fade.shift();
        filled += 1;
        continue;
      }
      if (!this.#ready()) break;
      const [segment] = this.#segments;
      const end = filled + Math.min(output.length - filled, segment.waiting);
      segment.played += end - filled;
      for (; filled < end; filled += 1) output[filled] = this.#last = this.#ring.shift();
      if (segment.waiting === 0) this.#drained(segment);
    }
    this.#measure(output);
    return this.#running;
  }

  /** Whether the first segment may play now; starts it where it may. */
  #ready() {
    const [segment] = this.#segments;
    if (!segment) return false;
    // Without the second half a reply shorter than the prebuffer would never play.
    this.#playing ||= this.#ring.length >= this.#prebuffer || segment.ended;
    if (this.#playing && !segment.started && segment.written) {
      segment.started = true;
      this.port.postMessage({ type: "started", turn: segment.turn, played: 0 });
    }
    return this.#playing;
  }

  #drained(segment) {
    if (segment.ended) {
      this.#segments.shift();
      this.#playing = this.#segments.length > 0;
      this.port.postMessage({ type: "ended", turn: segment.turn, played: segment.played });
    } else {
      segment.starved = true;
      this.#playing = false;
    }
    if (!this.#playing) {
      for (let i = 0; i < FADE; i += 1) this.#fade.push(this.#last * (1 - (i + 1) / FADE));
    }
  }

  #measure(output) {
    for (const sample of output) this.#energy += sample * sample;
    this.#counted += output.length;
    if (this.#counted < LEVEL_EVERY) return;
    const rms = Math.sqrt(this.#energy / this.#counted);
    if (this.#playing) this.port.postMessage({ type: "level", rms, queued: this.#ring.length });
    this.#energy = this.#counted = 0;
  }
}

registerProcessor("playback", PlaybackWorklet);
