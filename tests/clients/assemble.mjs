// What the official SDKs make of answers as bytes: every cell of the pair matrix (tests/matrix), from standard input, in one process.
// Each SDK is unmodified; only its fetch is ours, and gives back the cell's bytes.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const ask = [{ role: 'user', content: 'x' }];
const types = { answer: 'application/json', stream: 'text/event-stream' };
const options = (bytes, status, kind) => ({
  apiKey: 'none', maxRetries: 0,
  fetch: async () => new Response(bytes, { status, headers: { 'content-type': types[kind], 'x-request-id': 'r', 'request-id': 'r' } }),
});

// format → how its SDK reads a whole answer, and folds a stream.
const formats = {
  openai_chat: {
    answer: (o) => new OpenAI(o).chat.completions.create({ model: 'm', messages: ask }),
    stream: (o) => new OpenAI(o).chat.completions.stream({ model: 'm', messages: ask }).finalChatCompletion(),
  },
  anthropic_messages: {
    answer: (o) => new Anthropic(o).messages.create({ model: 'm', max_tokens: 9, messages: ask }),
    stream: (o) => new Anthropic(o).messages.stream({ model: 'm', max_tokens: 9, messages: ask }).finalMessage(),
  },
  openai_responses: {
    answer: (o) => new OpenAI(o).responses.create({ model: 'm', input: 'x' }),
    stream: (o) => new OpenAI(o).responses.stream({ model: 'm', input: 'x' }).finalResponse(),
  },
};

const plain = (value) => JSON.parse(JSON.stringify(value));
const failed = (error) => ({ error: error.constructor.name, status: error.status ?? null, message: error.message });

async function view(cell, kind) {
  const format = formats[cell.client];
  if (!format || !cell[kind]) return null;
  const status = kind === 'answer' ? cell.status : 200;
  return format[kind](options(Buffer.from(cell[kind], 'hex'), status, kind)).then(plain, failed);
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const views = [];
for (const cell of JSON.parse(Buffer.concat(chunks).toString())) {
  views.push({ answer: await view(cell, 'answer'), stream: await view(cell, 'stream') });
}
process.stdout.write(JSON.stringify(views), () => process.exit(0));
