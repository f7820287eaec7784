import { gettext, interpolate, ngettext } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300; // the chart's own units, as in its viewBox
const HEIGHT = 64;
const BARS = 30;
const GOAL = 1000; // ms
const NOTHING = "–";

const number = (value, digits = 0) =>
  value.toLocaleString(document.documentElement.lang || undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });

/** @param {number | null} ms */
const duration = (ms) => {
  if (ms === null) return NOTHING;
  if (ms < 1000) return interpolate(gettext("%(value)s ms"), { value: number(ms) });
  return interpolate(gettext("%(value)s s"), { value: number(ms / 1000, 2) });
};

/** Nothing measured is said once. */
const durations = (...values) => (values.every((ms) => ms === null) ? NOTHING : values.map(duration).join(" / "));

const tokensOf = ({ prompt, response, total }) => {
  if (total === null) return NOTHING;
  const parts = [prompt, response].map((count) => (count === null ? NOTHING : number(count)));
  return `${number(total)} (${parts.join(" + ")})`;
};

/** The metrics of a conversation as figures and bars. */
export class MetricsDrawer {
  #root;
  #chart;

  /** @param {HTMLElement} root the markup of templates/voice/metrics.html; shown and hidden by the page */
  constructor(root) {
    this.#root = root;
    this.#chart = root.querySelector("svg");
  }

  /** @param {object} summary of Metrics */
  show({ responseTime, roundTrip, queue, underruns, droppedFrames, clipped, tokens }) {
    this.#write("response-time", durations(responseTime.p50, responseTime.p95));
    this.#write("round-trip", durations(roundTrip.p50, roundTrip.p95));
    this.#write("queue", durations(queue.now, queue.max));
    this.#write("underruns", number(underruns));
    this.#write("dropped-frames", number(droppedFrames));
    this.#write("clipped", number(clipped));
    this.#write("tokens", tokensOf(tokens));
    this.#draw(responseTime.all);
  }

  #write(metric, text) {
    this.#root.querySelector(`[data-metric="${metric}"]`).textContent = text;
  }

  /** From right to left, on a scale that holds the goal and the slowest. */
  #draw(times) {
    this.#chart.closest("figure").hidden = !times.length;
    if (!times.length) return;
    const step = WIDTH / BARS;
    const unit = HEIGHT / Math.max(1.25 * GOAL, ...times);
    const bars = times.map((ms, index) => {
      const height = Math.max(1, ms * unit);
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("class", ms > GOAL ? "metrics-slow" : "metrics-fast");
      bar.setAttribute("x", WIDTH - step * (times.length - index) + 1);
      bar.setAttribute("y", HEIGHT - height);
      bar.setAttribute("width", step - 2);
      bar.setAttribute("height", height);
      bar.appendChild(document.createElementNS(SVG, "title")).textContent = duration(ms);
      return bar;
    });
    this.#chart.querySelector("g").replaceChildren(...bars);
    for (const end of ["y1", "y2"]) {
      this.#chart.querySelector("line").setAttribute(end, HEIGHT - GOAL * unit);
    }
    this.#chart.querySelector("title").textContent = this.#inWords(times);
  }

  #inWords(times) {
    const format = ngettext(
      "Time to first audio of the last answer: %(last)s",
      "Time to first audio of the last %(count)s answers: from %(least)s to %(most)s, last %(last)s",
      times.length,
    );
    const [least, most] = [Math.min(...times), Math.max(...times)].map(duration);
    return interpolate(format, { count: times.length, least, most, last: duration(times.at(-1)) });
  }
}
