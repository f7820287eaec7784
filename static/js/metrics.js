const KEPT = 200; // of each kind
const SHOWN = 30; // response times, as bars
const SMOOTHED = 5; // round trips

/** Nearest rank: a value that was really measured. @returns {number | null} null of no values */
const percentile = (values, percent) => {
  if (!values.length) return null;
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)];
};

/** The newest values of one measure, in ms. */
class Series {
  #values = [];
  count = 0;

  add(value) {
    this.count += 1;
    this.#values.push(value);
    if (this.#values.length > KEPT) this.#values.shift();
  }

  newest(count) {
    return this.#values.slice(-count);
  }

  summary() {
    return {
      last: this.#values.at(-1) ?? null,
      p50: percentile(this.#values, 50),
      p95: percentile(this.#values, 95),
    };
  }
}

/** How well a conversation goes, as this browser measures it. */
export class Metrics {
  #responseTimes;
  #roundTrips;
  #queue;
  #underruns;
  #droppedFrames;
  #clipped;
  #tokens;

  constructor() {
    this.reset();
  }

  reset() {
    this.#responseTimes = new Series();
    this.#roundTrips = new Series();
    this.#queue = { now: null, max: null };
    this.#underruns = this.#droppedFrames = this.#clipped = 0;
    this.#tokens = { prompt: null, response: null, total: null };
  }

  /** From the person's last voiced sound to the first sound of the answer. */
  responseTime(ms) {
    this.#responseTimes.add(ms);
  }

  roundTrip(ms) {
    this.#roundTrips.add(ms);
  }

  /** Audio that has come and was not played yet. */
  queue(ms) {
    this.#queue = { now: ms, max: Math.max(ms, this.#queue.max ?? 0) };
  }

  /** The reply's audio came too late, and a gap was heard. */
  underrun() {
    this.#underruns += 1;
  }

  /** A frame of the microphone that was not sent. */
  droppedFrame() {
    this.#droppedFrames += 1;
  }

  /** @param {number} count samples of the microphone at the limit of what it can tell */
  clipped(count) {
    this.#clipped += count;
  }

  /** The server's `usage`: tokens of the whole session so far, not of a turn. */
  usage({ promptTokens, responseTokens, totalTokens }) {
    this.#tokens = { prompt: promptTokens ?? null, response: responseTokens ?? null, total: totalTokens ?? null };
  }

  /** Milliseconds, and null where nothing was measured. Percentiles are those of the last 200. */
  summary() {
    return {
      responseTime: {
        ...this.#responseTimes.summary(),
        count: this.#responseTimes.count,
        all: this.#responseTimes.newest(SHOWN),
      },
      roundTrip: { ...this.#roundTrips.summary(), median: percentile(this.#roundTrips.newest(SMOOTHED), 50) },
      queue: { ...this.#queue },
      underruns: this.#underruns,
      droppedFrames: this.#droppedFrames,
      clipped: this.#clipped,
      tokens: { ...this.#tokens },
    };
  }
}
