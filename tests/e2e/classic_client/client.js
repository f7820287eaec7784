// A client as the seed's TypeScript frontend is one: written from the classic part of the protocol alone, served from
// another origin, no subprotocol, audio as base64 JSON both ways. `?server=http://localhost:3001` names the server.
const server = new URLSearchParams(location.search).get("server");
const state = (window.classic = { messages: [], audio: [], interrupts: 0, sources: [], playAt: 0, sent: 0 });
const show = (text) => (document.getElementById("status").textContent = text);

function base64(samples) {
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 1) text += String.fromCharCode(bytes[i]);
  return btoa(text);
}

function play({ audio }) {
  const bytes = Uint8Array.from(atob(audio), (char) => char.charCodeAt(0));
  const pcm = new Int16Array(bytes.buffer);
  state.audio.push(...pcm);
  const buffer = state.output.createBuffer(1, pcm.length, 24000);
  buffer.getChannelData(0).set(Float32Array.from(pcm, (sample) => sample / 32768));
  const source = new AudioBufferSourceNode(state.output, { buffer });
  source.connect(state.output.destination);
  state.playAt = Math.max(state.playAt, state.output.currentTime);
  source.start(state.playAt);
  state.playAt += buffer.duration;
  state.sources.push(source);
}

function stopPlaying() {
  state.interrupts += 1;
  for (const source of state.sources.splice(0)) source.stop();
  state.playAt = 0;
}

async function startMicrophone(socket) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext({ sampleRate: 16000 });
  const processor = context.createScriptProcessor(4096, 1, 1);
  processor.onaudioprocess = ({ inputBuffer }) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const pcm = Int16Array.from(inputBuffer.getChannelData(0), (sample) => Math.max(-1, Math.min(1, sample)) * 32767);
    socket.send(JSON.stringify({ type: "audio", data: { data: base64(pcm), mimeType: "audio/pcm;rate=16000" } }));
    state.sent += pcm.length;
  };
  context.createMediaStreamSource(stream).connect(processor);
  processor.connect(new GainNode(context, { gain: 0 })).connect(context.destination);
}

function receive({ data }) {
  const message = JSON.parse(data); // a binary frame would throw: the classic client asks for none
  state.messages.push(message);
  const line = document.createElement("li");
  line.textContent = message.type === "audio" ? "audio" : data;
  document.getElementById("log").append(line);
  if (message.type === "audio" && message.data.interrupt) stopPlaying();
  else if (message.type === "audio") play(message.data);
  else if (message.type === "status") show(message.data.status);
  if (message.type === "status" && message.data.status === "CONNECTED") startMicrophone(state.socket);
}

document.getElementById("connect").onclick = async () => {
  state.output = new AudioContext({ sampleRate: 24000 });
  let session;
  try {
    const headers = { "Content-Type": "application/json" };
    session = await (await fetch(`${server}/api/sessions`, { method: "POST", headers })).json();
  } catch {
    show("NO SESSION");
  }
  const id = session?.sessionId ?? "";
  state.sessionId = id;
  const socket = (state.socket = new WebSocket(`${server.replace("http", "ws")}/ws?sessionId=${id}`));
  socket.onopen = () => socket.send(JSON.stringify({ type: "connect" }));
  socket.onmessage = receive;
  socket.onclose = ({ code }) => show(`CLOSED ${code}`);
};

document.getElementById("leave").onclick = () => {
  state.socket.send(JSON.stringify({ type: "disconnect" }));
  state.socket.close();
};
