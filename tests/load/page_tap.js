/** An init script: puts the tap (page_tap_worklet.js) beside whatever the page connects to its loudspeaker. */
(() => {
  const WORKLET = "/page-tap-worklet.js";
  const connect = AudioNode.prototype.connect;
  let context = null;
  let node = null;
  let edges = [];
  let blocks = [];

  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) listen(this);
    return connect.call(this, to, ...rest);
  };

  async function listen(source) {
    context = source.context;
    await context.audioWorklet.addModule(WORKLET);
    node = new AudioWorkletNode(context, "page-tap", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data: { frame, sounds, samples } }) => {
      if (samples) blocks.push({ frame, samples });
      else edges.push({ frame, sounds, at: milliseconds(frame) });
    };
    connect.call(source, node);
  }

  /** When the device takes this frame from the context, as `performance.now()`: what comes after is the device's. */
  function milliseconds(frame) {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    return performanceTime + 1000 * (frame / context.sampleRate - contextTime - context.outputLatency);
  }

  function base64({ buffer, byteOffset, byteLength }) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  }

  window.pageTap = {
    /** What was heard since the last call. */
    take() {
      const taken = { edges, blocks: blocks.map(({ frame, samples }) => ({ frame, samples: base64(samples) })) };
      edges = [];
      blocks = [];
      return taken;
    },
    record: (whether) => node.port.postMessage(whether),
    /** The output as the browser itself tells of it; seconds. Null while there is none. */
    output() {
      if (!node) return null;
      const { sampleRate, baseLatency, outputLatency, playbackStats } = context;
      return { sampleRate, baseLatency, outputLatency, stats: playbackStats?.toJSON() ?? null };
    },
  };
})();
