const PATIENCE = 1000; // ms
const LOOK_EVERY = 20;

/**
 * Resumes a context and sees its clock move: iOS may say "running" and stand still, and a page that nobody has touched
 * waits for a click.
 * @returns {Promise<boolean>} whether it runs
 */
export async function wake(context) {
  // iOS: a telephone call has the audio, and resume() would break the context for good.
  if (context.state !== "interrupted") context.resume().catch(() => {});
  const began = context.currentTime;
  const giveUpAt = performance.now() + PATIENCE;
  while (context.state !== "closed" && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    if (context.currentTime > began) return true;
  }
  return context.state === "closed"; // it was left meanwhile: nobody has to be told
}
