import { Problem } from "./problems.js";

/** Loads a worklet's module into a context. @throws {Problem} */
export async function loadWorklet(context, url) {
  if (!context.audioWorklet) throw new Problem(isSecureContext ? "unsupported" : "insecure");
  try {
    await context.audioWorklet.addModule(url);
  } catch {
    throw Problem.network(); // an AbortError, whatever the reason: the file did not come
  }
}
