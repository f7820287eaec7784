"""Ten ways in which the page's sound breaks while the page looks healthy: it says "listening" and throws no error."""

from dataclasses import dataclass
from pathlib import Path

CAPTURE = "static/js/capture.js"
CAPTURE_WORKLET = "static/js/worklets/capture_worklet.js"
PLAYER = "static/js/player.js"

POST = "this.port.postMessage({ buffer, level }, [buffer]);"
CONNECT = "this.#node.connect(context.destination);"
SILENTLY = "this.#node.connect(new GainNode(context, { gain: 0 })).connect(context.destination);"
AWAKE = "await wake(this.#context);\n      this.#context.onstatechange"
WAKING = """if (!(await wake(context))) this.#handlers.problem(new Problem("sound_blocked"));
    context.onstatechange = () => this.#stateChanged(context);"""
BIG_ENDIAN = (
    "const bytes = new DataView(buffer);"
    "for (let at = 0; at < buffer.byteLength; at += 2) bytes.setInt16(at, bytes.getInt16(at, true));"
)
FLOATS = "Float32Array.from(new Int16Array(buffer), (value) => value / 32768).buffer"


class BreakageError(Exception):
    """The page's code has changed, and the breakage does not fit it any more."""


@dataclass(frozen=True)
class Edit:
    """`old`, which stands in `file` exactly once, becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Breakage:
    """`half` of the sound that it breaks: "microphone" or "loudspeaker"."""

    name: str
    half: str
    edits: tuple[Edit, ...]

    def broken(self, tree: Path) -> dict[Path, str]:
        """The broken text of each file that it touches. Raises BreakageError."""
        texts: dict[Path, str] = {}
        for edit in self.edits:
            path = tree / edit.file
            text = texts.get(path) or path.read_text()
            if (count := text.count(edit.old)) != 1:
                raise BreakageError(
                    f'"{self.name}" has to be written anew: {edit.old!r} stands {count} times in {edit.file}, not once.'
                )
            texts[path] = text.replace(edit.old, edit.new)
        return texts


BREAKAGES = [
    Breakage(
        "zeros from the worklet", "microphone",
        (Edit(CAPTURE_WORKLET, POST, f"new Int16Array(buffer).fill(0); {POST}"),),
    ),
    Breakage(
        "source unconnected", "microphone",
        (Edit(CAPTURE, f"source.connect(this.#node);\n      {AWAKE}", AWAKE),),
    ),
    Breakage(
        "48 kHz sent as 16 kHz", "microphone",
        (
            Edit(CAPTURE, "{ sampleRate: RATE }", "{ sampleRate: 48000 }"),
            Edit(CAPTURE_WORKLET, "sampleRate === RATE ?", "sampleRate ?"),
        ),
    ),
    Breakage("big-endian", "microphone", (Edit(CAPTURE_WORKLET, POST, f"{BIG_ENDIAN} {POST}"),)),
    Breakage(
        "float32", "microphone",
        (Edit(CAPTURE, "this.#onFrame(buffer, level);", f"this.#onFrame({FLOATS}, level);"),),
    ),
    Breakage(
        "alternate frames dropped", "microphone",
        (Edit(CAPTURE_WORKLET, POST, f"if (this.#sequence % 2) {POST}"),),
    ),
    Breakage("playback unconnected", "loudspeaker", (Edit(PLAYER, CONNECT, ""),)),
    Breakage("gain 0", "loudspeaker", (Edit(PLAYER, CONNECT, SILENTLY),)),
    Breakage("wrong playback rate", "loudspeaker", (Edit(PLAYER, "const RATE = 24000;", "const RATE = 48000;"),)),
    Breakage(
        "output suspended", "loudspeaker",
        (Edit(PLAYER, WAKING, "await context.suspend();"),),
    ),
]  # fmt: skip
