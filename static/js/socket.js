import { Problem } from "./problems.js";

const SUBPROTOCOL = "gemlive.v1"; // binary audio
const BACK_OFF = [0.5, 1, 2, 4, 8]; // seconds
const ANSWER_TIMEOUT = 10_000; // for the server
const CONNECT_TIMEOUT = 20_000; // for Gemini; the server gives up before and says why
const LARGEST_BACKLOG = 64 * 1024; // 2 s of audio
const PING_EVERY = 5000;
/** Going away, lost without a word, server restarts (as the standard's code and as ours). */
const RECONNECT_ON = new Set([1001, 1006, 1012, 4412]);
/** After these the session is still there, and the next start goes on with it. */
const SESSION_LIVES = new Set([...RECONNECT_ON, 4400, 4408, 4413, 4429]);

/** One session on the server, over as many WebSockets as the network makes necessary. */
export class VoiceSocket {
  #config;
  #handlers;
  #socket = null;
  #attempt = 0;
  #timer = null;
  #ping = null;
  #said = null;
  #wasLive = false;
  #opening = null;

  /** Between CONNECTED and the end of the connection: audio and text are welcome. */
  isLive = false;
  sessionId = null;

  /**
   * @param {{sessionsUrl: string, socketPath: string, csrfToken: string}} config
   * @param {{message(type, data), audio(buffer), reconnecting(attempt, attempts), failed(problem)}} handlers
   */
  constructor(config, handlers) {
    this.#config = config;
    this.#handlers = handlers;
  }

  /** Connects; goes on with the last session where that one is still alive. @throws {Problem} */
  async open() {
    const opening = (this.#opening = Symbol("opening"));
    this.#attempt = 0;
    this.#wasLive = false;
    const sessionId = this.sessionId ?? (await this.#createSession());
    if (opening !== this.#opening) return; // the person has left meanwhile
    this.sessionId = sessionId;
    this.#connect();
  }

  /** Ends the conversation as the protocol wants it; the next start gets a new session. */
  close() {
    this.send("disconnect");
    this.leave();
    this.sessionId = null;
  }

  /** Leaves the conversation so that the next start can go on with it. */
  leave() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    const socket = this.#socket;
    this.#socket = this.#opening = null;
    this.isLive = false;
    socket?.close(1000);
  }

  /** Lost where there is no connection: what must arrive waits for `isLive`. */
  send(type, data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(data === undefined ? { type } : { type, data }));
  }

  /** @returns {boolean} false where the network is too slow for it: late audio is worse than none */
  sendAudio(frame) {
    if (this.#socket.bufferedAmount >= LARGEST_BACKLOG) return false;
    this.#socket.send(frame);
    return true;
  }

  async #createSession() {
    const headers = { "Content-Type": "application/json" };
    if (this.#config.csrfToken) headers["X-CSRFToken"] = this.#config.csrfToken;
    let response;
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT);
      response = await fetch(this.#config.sessionsUrl, { method: "POST", headers, body: "{}", signal });
    } catch {
      throw new Problem("unreachable");
    }
    const body = await response.json().catch(() => ({}));
    // A wrong field comes as {"field": ["what is wrong"]}.
    if (!response.ok) throw new Problem("refused", body.detail ?? Object.values(body).flat()[0]);
    return body.sessionId;
  }

  #connect() {
    const url = new URL(this.#config.socketPath, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("sessionId", this.sessionId);
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
    this.#socket = socket;
    this.#said = null;
    this.#expect("unreachable", ANSWER_TIMEOUT);
  }

  #expect(problem, timeout) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(new Problem(problem)), timeout);
  }

  #receive(data) {
    if (data instanceof ArrayBuffer) {
      this.#handlers.audio(data);
      return;
    }
    const { type, data: body = {} } = JSON.parse(data);
    if (type === "status" && body.status === "CONNECTING") this.#greeted();
    if (type === "status" && body.status === "CONNECTED") this.#connected();
    if (type === "error") this.#said = body.message;
    this.#handlers.message(type, body);
  }

  #greeted() {
    this.send("connect");
    this.#expect("timeout", CONNECT_TIMEOUT);
  }

  #connected() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#attempt = 0;
    this.#said = null;
    this.isLive = this.#wasLive = true;
    this.#ping = setInterval(() => this.send("ping", { t: Math.round(performance.now()) }), PING_EVERY);
  }

  #closed(code) {
    this.isLive = false;
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    const wait = BACK_OFF[this.#attempt];
    if (this.#wasLive && RECONNECT_ON.has(code) && wait !== undefined) {
      this.#attempt += 1;
      this.#handlers.reconnecting(this.#attempt, BACK_OFF.length);
      const jittered = wait * (0.8 + 0.4 * Math.random());
      this.#timer = setTimeout(() => this.#connect(), 1000 * jittered);
      return;
    }
    if (!SESSION_LIVES.has(code)) this.sessionId = null;
    if (RECONNECT_ON.has(code)) this.#fail(new Problem(this.#wasLive ? "lost" : "unreachable"));
    else this.#fail(this.#said ? new Problem(`closed_${code}`, this.#said) : Problem.ofClose(code));
  }

  #fail(problem) {
    this.leave();
    this.#handlers.failed(problem);
  }
}
