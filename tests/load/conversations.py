"""How many people can talk with one emulator: each asks a question every ten seconds, by the real SDK, in real time.

python -m tests.load.conversations [PEOPLE]      prints how long they wait for an answer after their last word
"""

import asyncio
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from google import genai
from google.genai import types

from sessions_app.emulator.speech import synthesise

EVERY = 10  # seconds
QUESTIONS = 3  # of each
ASKED = (
    "Who are you?",
    "What's the weather in New York?",
    "Get analytics for the last week",
    "Show me the latest orders",
)
CHUNK = 1280  # bytes, 40 ms
CONFIG = {"input_audio_transcription": {}}


class Person:
    def __init__(self, number: int, people: int):
        self.delay = number / people * EVERY
        self.questions = [synthesise(ASKED[(number + again) % len(ASKED)], rate=16_000) for again in range(QUESTIONS)]
        self.last_word = 0.0
        self.waited: list[float] = []
        self.heard: list[str] = []

    async def talk(self, client: genai.Client) -> None:
        async with client.aio.live.connect(model="gemini-3.8-live", config=CONFIG) as session:
            listening = asyncio.create_task(self.listen(session))
            await asyncio.sleep(self.delay)
            due = time.monotonic()
            for question in self.questions:
                pcm = question + bytes(EVERY * 32_000 - len(question))
                for start in range(0, len(pcm), CHUNK):
                    await session.send_realtime_input(
                        audio=types.Blob(data=pcm[start : start + CHUNK], mime_type="audio/pcm;rate=16000")
                    )
                    if start < len(question) <= start + CHUNK:
                        self.last_word = time.monotonic()
                    due += CHUNK / 32_000
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
            listening.cancel()

    async def listen(self, session: Any) -> None:
        while True:
            answered = False
            async for message in session.receive():
                content = message.server_content
                if content and content.input_transcription:
                    self.heard.append(content.input_transcription.text)
                if message.data and not answered:
                    answered = True
                    self.waited.append(time.monotonic() - self.last_word)


async def main(people: int, url: str, ca_file: str) -> None:
    options = types.HttpOptions(
        base_url=url, api_version="v1beta", async_client_args={"ssl": ssl.create_default_context(cafile=ca_file)}
    )
    client = genai.Client(api_key="any", http_options=options)
    everybody = [Person(number, people) for number in range(people)]
    await asyncio.gather(*(person.talk(client) for person in everybody))
    waited = sorted(seconds for person in everybody for seconds in person.waited)
    heard = [text for person in everybody for text in person.heard]
    print(
        f"{people} people, {people * QUESTIONS} questions: {len(waited)} answers, "
        f"{sum(text != '<noise>' for text in heard)} understood; after the last word they waited "
        f"{statistics.median(waited):.2f} s as a rule, {waited[int(len(waited) * 0.95)]:.2f} s at the 95th percentile"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ca = f"{folder}/ca.pem"
        command = [sys.executable, "-m", "sessions_app.emulator", "--ears", "phrases", "--ca-out", ca]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
            try:
                address = emulator.stdout.readline().rsplit(" ", 1)[1].strip()
                asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, address, ca))
            finally:
                emulator.terminate()
