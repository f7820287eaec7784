import { Problem } from "./problems.js";

const SUBPROTOCOL = "gemlive.v1"; // binary audio
const BACK_OFF = [0.5, 1, 2, 4, 8]; // seconds
const ANSWER_TIMEOUT = 10_000; // for the server
const CONNECT_TIMEOUT = 20_000; // for Gemini; of most failures the server knows before, and says why
const LARGEST_BACKLOG = 64 * 1024; // 2 s of audio
const PING_EVERY = 5000;
const MOST_UNANSWERED = 2; // pings in silence: a network that is lost without a word
/** Going away, lost without a word, server restarts (as the standard's code and as ours). */
const RECONNECT_ON = new Set([1001, 1006, 1012, 4412]);
/** After these the session is still there, and the next start goes on with it. */
const SESSION_LIVES = new Set([...RECONNECT_ON, 4400, 4401, 4408, 4413, 4429]);
const BEFORE_IT_IS_LIVE = new Set(["connect", "disconnect"]);
const STORED = "gemlive.session"; // for this tab, over a reload

function remembered() {
  try {
    return sessionStorage.getItem(STORED);
  } catch {
    return null;
  }
}

/** One session on the server, over as many WebSockets as the network makes necessary. */
export class VoiceSocket {
  #path;
  #api;
  #handlers;
  #socket = null;
  #attempt = 0;
  #timer = null;
  #ping = null;
  #unanswered = 0;
  #wasLive = false;
  #opening = null;
  #sessionId = remembered();

  /** Between CONNECTED and the end of the connection: audio and text are welcome. */
  isLive = false;
  /** The server's last `error` of this connection: {code, message}. */
  said = null;

  /**
   * @param {string} path of the WebSocket
   * @param {SessionsApi} api
   * @param {{configuration(), message(type, data), audio(buffer), reconnecting(attempt, attempts), failed(problem)}} handlers
   *   `configuration` gives the data of `connect`
   */
  constructor(path, api, handlers) {
    this.#path = path;
    this.#api = api;
    this.#handlers = handlers;
  }

  /** Of the conversation that can be gone on with. */
  get sessionId() {
    return this.#sessionId;
  }

  set sessionId(id) {
    this.#sessionId = id;
    try {
      if (id) sessionStorage.setItem(STORED, id);
      else sessionStorage.removeItem(STORED);
    } catch {
      // Storage may be forbidden: the conversation is known until the page is left.
    }
  }

  /** Too much waits to be sent: what is added comes late. */
  get isSlow() {
    return (this.#socket?.bufferedAmount ?? 0) >= LARGEST_BACKLOG;
  }

  /** Connects; goes on with the last session where that one is still alive. @throws {Problem} */
  async open() {
    const opening = (this.#opening = Symbol("opening"));
    this.#attempt = 0;
    this.#wasLive = false;
    const sessionId = this.sessionId ?? (await this.#api.create());
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

  /** The same session on another connection: with another configuration, or at once where an attempt waits. */
  reconnect() {
    this.leave();
    this.#connect();
  }

  /** Lost where there is no conversation (yet): what must arrive waits for `isLive`. */
  send(type, data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    if (!this.isLive && !BEFORE_IT_IS_LIVE.has(type)) return; // the server would tell the person of an error
    this.#socket.send(JSON.stringify(data === undefined ? { type } : { type, data }));
  }

  /** @returns {boolean} false where the network is too slow for it: late audio is worse than none */
  sendAudio(frame) {
    if (this.isSlow) return false;
    this.#socket.send(frame);
    return true;
  }

  #connect() {
    const url = new URL(this.#path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("sessionId", this.sessionId);
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
    this.#socket = socket;
    this.said = null;
    this.#expect("unreachable", ANSWER_TIMEOUT);
  }

  #expect(problem, timeout) {
    clearTimeout(this.#timer);
    const giveUp = () => (this.#wasLive ? this.#drop() : this.#fail(new Problem(problem)));
    this.#timer = setTimeout(giveUp, timeout);
  }

  #receive(data) {
    this.#unanswered = 0;
    if (data instanceof ArrayBuffer) {
      this.#handlers.audio(data);
      return;
    }
    const { type, data: body = {} } = JSON.parse(data);
    if (type === "status" && body.status === "CONNECTING") this.#greeted();
    if (type === "status" && body.status === "CONNECTED") this.#connected();
    if (type === "error") this.said = body;
    this.#handlers.message(type, body);
  }

  #greeted() {
    this.send("connect", this.#handlers.configuration());
    this.#expect("timeout", CONNECT_TIMEOUT);
  }

  #connected() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#attempt = 0;
    this.said = null;
    this.isLive = this.#wasLive = true;
    this.#unanswered = 0;
    this.#sendPing();
    this.#ping = setInterval(() => this.#sendPing(), PING_EVERY);
  }

  #sendPing() {
    if (this.#unanswered < MOST_UNANSWERED) {
      this.#unanswered += 1;
      this.send("ping", { t: performance.now() });
    } else this.#drop();
  }

  /** Nothing comes any more; the browser itself would notice late. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null; // what it still says comes too late
    socket.close();
    this.#closed(1006);
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
    if (this.said || !RECONNECT_ON.has(code)) this.#fail(Problem.ofClose(code, this.said));
    else if (this.#wasLive && navigator.onLine) this.#fail(new Problem("lost"));
    else this.#fail(Problem.network());
  }

  #fail(problem) {
    this.leave();
    this.#handlers.failed(problem);
  }
}
