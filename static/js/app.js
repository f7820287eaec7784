import { Conversation } from "./conversation.js";
import { Keys } from "./keys.js";
import { Metrics } from "./metrics.js";
import { MetricsDrawer } from "./metrics_drawer.js";
import { Notices } from "./notices.js";
import { Settings } from "./settings.js";
import { SettingsDialog } from "./settings_dialog.js";
import { SharingControls } from "./sharing_controls.js";
import { isOpen } from "./state.js";
import { Stopwatch } from "./stopwatch.js";
import { TalkButton } from "./talk_button.js";
import { ToolCards } from "./tool_cards.js";
import { Transcript } from "./transcript.js";
import { View } from "./view.js";

/** Every part of the page, and who is told of what. */
const part = (id) => document.getElementById(id);
const options = JSON.parse(part("options").textContent);

const settings = new Settings(options);
const metrics = new Metrics();
const transcript = new Transcript(part("transcript"), part("jump"));
const parts = {
  settings,
  metrics,
  transcript,
  stopwatch: new Stopwatch(metrics),
  notices: new Notices(),
  tools: new ToolCards(
    (card) => transcript.place(card),
    (click) => conversation.decide(click),
  ),
  view: new View({
    start: () => conversation.start(),
    end: () => conversation.end(),
    interrupt: () => conversation.interrupt(),
    mute: () => conversation.microphone.mute(),
    pause: () => conversation.microphone.pause(),
    send: (text) => conversation.write(text),
  }),
};

const conversation = new Conversation(document.body.dataset, parts, {
  openSettings: () => settingsDialog.open(),
  changed: (state) => queueMicrotask(() => isOpen(state) || sharing.stop()),
});
const sharing = new SharingControls(conversation, settings);
const talk = {
  hold: () => conversation.microphone.hold(),
  release: () => conversation.microphone.release(),
};
new TalkButton(part("talk"), talk);
const help = part("help");
const keys = new Keys({
  ...talk,
  mute: () => conversation.microphone.mute(),
  interrupt: () => conversation.interrupt(),
  write: () => parts.view.write(),
  camera: () => sharing.toggle("camera"),
  help: () => help.showModal(),
});
keys.isOn = settings.values.keys;
const settingsDialog = new SettingsDialog(settings, options, (before, now) => {
  keys.isOn = now.values.keys;
  conversation.use(before, now);
  if (before.values.camera !== now.values.camera) sharing.changeCamera();
});
part("open-settings").addEventListener("click", () => settingsDialog.open());
part("open-help").addEventListener("click", () => help.showModal());

const drawer = new MetricsDrawer(part("metrics"));
let drawing = null;
part("open-metrics").addEventListener("click", ({ currentTarget }) => {
  const hidden = part("metrics").toggleAttribute("hidden");
  currentTarget.setAttribute("aria-expanded", !hidden);
  clearInterval(drawing);
  if (hidden) return;
  drawer.show(metrics.summary());
  drawing = setInterval(() => drawer.show(metrics.summary()), 1000);
});

conversation.restore();
document.body.dataset.ready = "";
