import { Problem } from "./problems.js";

const TIMEOUT = 10_000;

/** The session's REST: makes one, and reads what was said in one. */
export class SessionsApi {
  #url;
  #csrfToken;

  constructor(url, csrfToken) {
    this.#url = url;
    this.#csrfToken = csrfToken;
  }

  /** @returns {Promise<string>} its id. @throws {Problem} */
  async create() {
    const headers = { "Content-Type": "application/json" };
    if (this.#csrfToken) headers["X-CSRFToken"] = this.#csrfToken;
    const response = await this.#fetch(this.#url, { method: "POST", headers, body: "{}" });
    const body = await response.json().catch(() => ({}));
    // What is wrong with a field stands in `fields`, without the field's name in front of it.
    const code = body.code ?? (response.status < 500 ? "refused" : "unreachable");
    const retryAfter = Number(response.headers.get("Retry-After")) || null;
    const message = Object.values(body.fields ?? {}).flat()[0] ?? body.detail;
    if (!response.ok) throw Problem.said({ code, message, retryAfter });
    return body.sessionId;
  }

  /**
   * @returns {Promise<object[] | null>} what was said and called, in order, as REST has it; null where there is no
   *   session to go on with
   * @throws {Problem}
   */
  async load(id) {
    const response = await this.#fetch(`${this.#url}/${id}`, {});
    if (response.status === 404) return null;
    if (!response.ok) throw new Problem(response.status === 401 ? "not_authenticated" : "unreachable");
    const session = await response.json();
    if (session.status === "ended") return null;
    const happened = [...session.transcript, ...session.toolCalls];
    return happened.sort((one, other) => Date.parse(one.startedAt) - Date.parse(other.startedAt));
  }

  async #fetch(url, options) {
    try {
      return await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
    } catch {
      throw Problem.network();
    }
  }
}
