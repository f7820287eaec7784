// One conversation with Gemini Live by Google's JavaScript SDK, as a job in JSON says; prints what comes as JSON lines.
import {createReadStream, readFileSync} from 'node:fs';

import {GoogleGenAI} from '@google/genai';

const job = JSON.parse(readFileSync(0, 'utf8'));
const print = (event, data) => process.stdout.write(JSON.stringify({event, data}) + '\n');

const messages = [];
let cursor = 0; // messages before it were waited for
let wake = () => {};
let closed = false;

async function until(wanted) {
  for (;;) {
    while (cursor < messages.length) {
      const message = messages[cursor++];
      if (has(message, wanted)) return message;
    }
    if (closed) return null;
    await new Promise((resolve) => (wake = resolve));
  }
}

function has(message, wanted) {
  if (wanted === 'audio') return Boolean(message.data);
  if (wanted === 'handle') return Boolean(message.sessionResumptionUpdate?.newHandle);
  return Boolean(message[wanted] ?? message.serverContent?.[wanted]);
}

async function connect(apiKey) {
  const ai = new GoogleGenAI({apiKey, httpOptions: {baseUrl: job.url, apiVersion: job.version}});
  return ai.live.connect({
    model: job.model,
    config: job.config,
    callbacks: {
      onopen: () => print('open'),
      onmessage: (message) => {
        messages.push(message);
        print('message', message.data ? {...message, audioBytes: Buffer.from(message.data, 'base64').length} : message);
        wake();
      },
      onerror: (error) => print('error', String(error.message)),
      onclose: (event) => {
        closed = true;
        print('close', {code: event.code, reason: String(event.reason)});
        wake();
      },
    },
  });
}

async function token() {
  const ai = new GoogleGenAI({apiKey: job.key, httpOptions: {baseUrl: job.url, apiVersion: job.version}});
  return (await ai.authTokens.create({config: job.token})).name;
}

const session = await connect(job.token ? await token() : job.key).catch((error) => {
  print('refused', error.message);
  process.exit();
});
for (const {step, value} of job.steps) {
  if (step === 'until') await until(value);
  else if (step === 'text') session.sendRealtimeInput({text: value});
  else if (step === 'content') session.sendClientContent({turns: value});
  else if (step === 'activity') session.sendRealtimeInput(value === 'start' ? {activityStart: {}} : {activityEnd: {}});
  else if (step === 'audio') {
    for await (const chunk of createReadStream(value, {highWaterMark: 1280})) {
      session.sendRealtimeInput({audio: {data: chunk.toString('base64'), mimeType: 'audio/pcm;rate=16000'}});
    }
  } else if (step === 'answer') {
    const {toolCall} = await until('toolCall');
    const functionResponses = toolCall.functionCalls.map(({id, name}) => ({id, name, response: value}));
    session.sendToolResponse({functionResponses});
  } else throw new Error(`There is no step ${step}.`);
}
session.close();
