// What the official SDKs make of answers as bytes: every cell of the pair matrix (tests/matrix), from standard input, in one process.
// Each SDK is unmodified; only its fetch or its HTTP handler is ours, and gives back the cell's bytes.
import { Readable } from 'node:stream';
import Anthropic from '@anthropic-ai/sdk';
import {
  BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand, InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

const ask = [{ role: 'user', content: 'x' }];
const types = { answer: 'application/json', stream: 'text/event-stream' };
const options = (bytes, status, kind) => ({
  cell: { bytes, status, kind }, apiKey: 'none', maxRetries: 0,
  fetch: async () => new Response(bytes, { status, headers: { 'content-type': types[kind], 'x-request-id': 'r', 'request-id': 'r' } }),
});

// ---- Converse: the SDK gives a stream's events, and applications put them together ------------------------------------------------

const aws = ({ bytes, status, kind }) => new BedrockRuntimeClient({
  region: 'us-east-1', maxAttempts: 1, credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  requestHandler: {
    handle: async () => ({
      response: {
        statusCode: status, body: Readable.from([bytes]),
        headers: {
          'content-type': kind === 'stream' ? 'application/vnd.amazon.eventstream' : 'application/json',
          ...(status === 429 ? { 'x-amzn-errortype': 'ThrottlingException' } : {}),
        },
      },
    }),
    destroy() {}, metadata: { handlerProtocol: 'http/1.1' },
  },
});
const conversation = { modelId: 'm', messages: [{ role: 'user', content: [{ text: 'x' }] }] };

function grow(block, delta) {
  if (delta.text !== undefined) return { text: (block?.text ?? '') + delta.text };
  if (delta.toolUse) return { toolUse: { ...block.toolUse, input: block.toolUse.input + delta.toolUse.input } };
  const thought = delta.reasoningContent;
  if (!thought) return { ...block, ...delta };
  if (thought.redactedContent) return { reasoningContent: thought };
  const said = block?.reasoningContent?.reasoningText ?? { text: '' };
  const { text = '', ...rest } = thought;
  return { reasoningContent: { reasoningText: { ...said, ...rest, text: said.text + text } } };
}

async function foldConverse(stream) {
  const content = [];
  const whole = { output: { message: { role: 'assistant', content } } };
  for await (const event of stream) {
    const [[kind, value]] = Object.entries(event);
    const at = value.contentBlockIndex;
    if (kind === 'contentBlockStart') content[at] = { toolUse: { ...value.start.toolUse, input: '' } };
    if (kind === 'contentBlockDelta') content[at] = grow(content[at], value.delta);
    if (kind === 'messageStop') Object.assign(whole, value);
    if (kind === 'metadata') Object.assign(whole, value);
  }
  if (!whole.stopReason) throw new Error('the stream has no end');
  for (const { toolUse } of content) if (toolUse) toolUse.input = JSON.parse(toolUse.input || '{}');
  return whole;
}

const withoutMetadata = ({ $metadata, ...answer }) => answer;

// ---- InvokeModel: AWS's SDK opens the framing, Anthropic's reads what is in it, as its SDK for Bedrock does ------------------------------

const invocation = { modelId: 'm', contentType: 'application/json', body: '{}' };
const inside = (bytes, kind) => new Anthropic(options(bytes, 200, kind)).messages;

const answerOfInvoke = (o) => aws(o.cell).send(new InvokeModelCommand(invocation))
  .then(({ body }) => inside(Buffer.from(body), 'answer').create({ model: 'm', max_tokens: 9, messages: ask }));

async function foldInvoke(o) {
  const { body } = await aws(o.cell).send(new InvokeModelWithResponseStreamCommand(invocation));
  let events = '';
  for await (const { chunk } of body) {
    const data = Buffer.from(chunk.bytes).toString();
    events += `event: ${JSON.parse(data).type}\ndata: ${data}\n\n`;
  }
  return inside(Buffer.from(events), 'stream').stream({ model: 'm', max_tokens: 9, messages: ask }).finalMessage();
}

// ---- Gemini: each event is an answer of its own --------------------------------------------------------------------------------------

// The SDK has no fetch of the caller's: for one call the process' own is ours.
async function google({ bytes, status, kind }, call) {
  const own = globalThis.fetch;
  globalThis.fetch = async () => new Response(bytes, { status, headers: { 'content-type': types[kind] } });
  try {
    return await call(new GoogleGenAI({ apiKey: 'none' }).models, { model: 'm', contents: 'x' });
  } finally {
    globalThis.fetch = own;
  }
}

// Neighbours that are text of one kind are one part, whose signature comes last, in an empty one; what a later event says of the whole replaces what an earlier one said.
function addPart(parts, part) {
  if (part.text === '' && !part.thoughtSignature) return;
  const last = parts.at(-1);
  const joins = last?.text !== undefined && part.text !== undefined && !!last.thought === !!part.thought && !last.thoughtSignature;
  if (joins) Object.assign(last, part, { text: last.text + part.text });
  else parts.push({ ...part });
}

async function foldGemini(chunks) {
  let whole = {};
  const parts = [];
  for await (const chunk of chunks) {
    const { candidates, sdkHttpResponse, ...rest } = plain(chunk);
    whole = { ...whole, ...rest };
    for (const candidate of candidates ?? []) {
      for (const part of candidate.content?.parts ?? []) addPart(parts, part);
      whole.candidates = [{ ...whole.candidates?.[0], ...candidate, content: { role: 'model', parts } }];
    }
  }
  if (!whole.candidates?.[0].finishReason && !whole.promptFeedback) throw new Error('the stream has no end');
  return whole;
}

// ---- Chat: the SDK folds what its vendor documents; of reasoning_content it keeps the last piece, and applications put it together -----------

async function foldChat(o) {
  let thoughts = '';
  const stream = new OpenAI(o).chat.completions.stream({ model: 'm', messages: ask });
  stream.on('chunk', ({ choices }) => { thoughts += choices[0]?.delta.reasoning_content ?? ''; });
  const whole = await stream.finalChatCompletion();
  if (thoughts) whole.choices[0].message.reasoning_content = thoughts;
  return whole;
}

// A Responses stream that is cut is no error to the SDK: it gives back what there is.
async function foldResponses(o) {
  const response = await new OpenAI(o).responses.stream({ model: 'm', input: 'x' }).finalResponse();
  if (response.status === 'in_progress') throw new Error('the stream has no end');
  return response;
}

// format → how its SDK reads a whole answer, and folds a stream.
const formats = {
  openai_chat: {
    answer: (o) => new OpenAI(o).chat.completions.create({ model: 'm', messages: ask }),
    stream: foldChat,
  },
  anthropic_messages: {
    answer: (o) => new Anthropic(o).messages.create({ model: 'm', max_tokens: 9, messages: ask }),
    stream: (o) => new Anthropic(o).messages.stream({ model: 'm', max_tokens: 9, messages: ask }).finalMessage(),
  },
  openai_responses: {
    answer: (o) => new OpenAI(o).responses.create({ model: 'm', input: 'x' }),
    stream: foldResponses,
  },
  bedrock_converse: {
    answer: (o) => aws(o.cell).send(new ConverseCommand(conversation)).then(withoutMetadata),
    stream: (o) => aws(o.cell).send(new ConverseStreamCommand(conversation)).then((answer) => foldConverse(answer.stream)),
  },
  bedrock_invoke: { answer: answerOfInvoke, stream: foldInvoke },
  gemini_generate: {
    answer: (o) => google(o.cell, async (models, request) => foldGemini([await models.generateContent(request)])),
    stream: (o) => google(o.cell, async (models, request) => foldGemini(await models.generateContentStream(request))),
  },
};

const plain = (value) => JSON.parse(JSON.stringify(value));
const failed = (error) => ({
  error: error.constructor.name, status: error.status ?? error.$metadata?.httpStatusCode ?? null, message: error.message,
});

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
