"""The page's socket alone, with a WebSocket that the test answers."""

from .blank import open_blank

SETUP = """
async () => {
  const sent = [];
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    bufferedAmount = 0;
    send(text) { sent.push(JSON.parse(text).type); }
    close() {}
  };
  const { VoiceSocket } = await import("/js/socket.js");
  const handlers = { configuration: () => ({}), message() {} };
  const voice = new VoiceSocket("/ws", null, handlers);
  let socket = null;
  const { WebSocket: Base } = window;
  window.WebSocket = class extends Base { constructor(...all) { super(...all); socket = this; } };
  window.WebSocket.OPEN = 1;
  const say = (status) => socket.onmessage({ data: JSON.stringify({ type: "status", data: { status } }) });
  voice.reconnect();
  voice.send("played", { turnId: 1, ms: 5, dropped: 0 }); // a reply that ends just now
  say("CONNECTING");
  voice.send("interrupt");
  const before = [...sent];
  say("CONNECTED");
  voice.send("played", { turnId: 1, ms: 5, dropped: 0 });
  return [before, sent.filter((type) => type !== "ping")];
}
"""


async def test_nothing_but_connect_is_sent_before_there_is_a_conversation():
    """The server would answer with an error, which the person would read."""
    async with open_blank() as page:
        assert await page.evaluate(SETUP) == [["connect"], ["connect", "played"]]
