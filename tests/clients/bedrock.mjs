// The official AWS SDK, unmodified, on Converse and Invoke through Aquifer: requests signed with a key pair of ours, over its
// default HTTP/2 handler and over HTTP/1.1. AQUIFER_MODELS: routes towards Bedrock and other vendors, each to answer alike.
import assert from 'node:assert/strict';
import {
  BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, CountTokensCommand, InvokeModelCommand,
  InvokeModelWithResponseStreamCommand, ResourceNotFoundException, ThrottlingException,
} from '@aws-sdk/client-bedrock-runtime';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { collect, key, run, test, url } from './tap.mjs';

const models = process.env.AQUIFER_MODELS.split(',');
const counted = process.env.AQUIFER_COUNTED;
const credentials = { accessKeyId: process.env.AQUIFER_ACCESS_KEY, secretAccessKey: process.env.AQUIFER_SECRET_KEY };
const options = { endpoint: url, region: 'us-east-1', maxAttempts: 1, credentials };
const user = (text) => [{ role: 'user', content: [{ text }] }];
const toolConfig = {
  tools: [{
    toolSpec: {
      name: 'get_weather', description: 'The weather in a city.',
      inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
    },
  }],
};
const claude = (text) => JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 50, messages: [{ role: 'user', content: text }] });
const plain = new TextDecoder();

// What an application makes of a ConverseStream: the message, as the non-streamed answer has it.
async function assemble(stream) {
  const blocks = [];
  const end = {};
  const kinds = [];
  for await (const event of stream) {
    assert.equal(Object.keys(event).length, 1, 'one member in each event');
    const [[kind, value]] = Object.entries(event);
    kinds.push(kind);
    if (kind === 'contentBlockStart') blocks[value.contentBlockIndex] = { toolUse: { ...value.start.toolUse, input: '' } };
    if (kind === 'contentBlockDelta' && value.delta.text !== undefined) {
      blocks[value.contentBlockIndex] ??= { text: '' };
      blocks[value.contentBlockIndex].text += value.delta.text;
    }
    if (kind === 'contentBlockDelta' && value.delta.toolUse) blocks[value.contentBlockIndex].toolUse.input += value.delta.toolUse.input;
    if (kind === 'contentBlockStop' && blocks[value.contentBlockIndex].toolUse) {
      const use = blocks[value.contentBlockIndex].toolUse;
      use.input = JSON.parse(use.input);
    }
    if (kind === 'messageStop') end.stopReason = value.stopReason;
    if (kind === 'metadata') end.usage = value.usage;
  }
  assert.equal(kinds[0], 'messageStart');
  assert.deepEqual(kinds.slice(-2), ['messageStop', 'metadata']);
  return { message: { role: 'assistant', content: blocks }, ...end };
}

async function streamed(client, input) {
  return assemble((await client.send(new ConverseStreamCommand(input))).stream);
}

async function whole(client, input) {
  const { output, stopReason, usage } = await client.send(new ConverseCommand(input));
  return { message: output.message, stopReason, usage };
}

async function toolLoop(client, modelId, ask) {
  const messages = user('What is the weather in Paris and in Oslo?');
  const first = await ask(client, { modelId, messages, toolConfig });
  const uses = first.message.content.map((block) => block.toolUse);
  assert.equal(first.stopReason, 'tool_use');
  assert.deepEqual(uses.map((use) => use.input), [{ city: 'Paris' }, { city: 'Oslo' }]);
  const results = uses.map((use, at) => ({
    toolResult: { toolUseId: use.toolUseId, content: [{ text: `sun ${at}` }], status: at ? 'error' : 'success' },
  }));
  const second = await ask(client, { modelId, messages: [...messages, first.message, { role: 'user', content: results }], toolConfig });
  // Chat has no flag for a failed tool: its result says so in words.
  assert.match(second.message.content[0].text, modelId === 'fast' ? /^Results: sun 0; The tool failed:\s*sun 1$/ : /^Results: sun 0; sun 1$/);
}

async function text(client, modelId) {
  const input = { modelId, messages: user('Grüße 🎈'), inferenceConfig: { maxTokens: 50, temperature: 0 } };
  const [once, pieces] = [await whole(client, input), await streamed(client, input)];
  assert.deepEqual(once.message, { role: 'assistant', content: [{ text: 'You said: Grüße 🎈' }] });
  assert.equal(once.stopReason, 'end_turn');
  assert.ok(once.usage.inputTokens > 0 && once.usage.totalTokens === once.usage.inputTokens + once.usage.outputTokens);
  assert.deepEqual(pieces, once);
}

async function invoke(client, modelId) {
  const one = await client.send(new InvokeModelCommand({ modelId, body: claude('hi'), contentType: 'application/json' }));
  assert.deepEqual(JSON.parse(plain.decode(one.body)).content, [{ type: 'text', text: 'You said: hi' }]);
  const many = await client.send(new InvokeModelWithResponseStreamCommand({ modelId, body: claude('hi'), contentType: 'application/json' }));
  const events = (await collect(many.body)).map((event) => JSON.parse(plain.decode(event.chunk.bytes)));
  assert.equal(events.at(-1).type, 'message_stop');
  assert.equal(events.map((event) => event.delta?.text ?? '').join(''), 'You said: hi');
}

async function rejects(promise, kind) {
  const error = await promise.then(() => null, (thrown) => thrown);
  assert.ok(error instanceof kind, `wanted ${kind.name}, got ${error?.name}: ${error?.message}`);
  return error;
}

const handlers = [['HTTP/2', {}], ['HTTP/1.1', { requestHandler: new NodeHttpHandler() }]];
for (const [name, handler] of handlers) {
  const client = new BedrockRuntimeClient({ ...options, ...handler });
  for (const model of models) {
    test(`${name}: text, whole and streamed: ${model}`, () => text(client, model));
    test(`${name}: tools in two steps, whole and streamed: ${model}`, async () => {
      await toolLoop(client, model, whole);
      await toolLoop(client, model, streamed);
    });
    test(`${name}: Claude's body through Invoke, whole and streamed: ${model}`, () => invoke(client, model));
  }
  test(`${name}: tokens counted`, async () => {
    const got = await client.send(new CountTokensCommand({ modelId: counted, input: { converse: { messages: user('hi') } } }));
    assert.equal(got.inputTokens, 42);
  });
  test(`${name}: an unknown model`, () => rejects(client.send(new ConverseCommand({ modelId: 'nobody', messages: user('hi') })), ResourceNotFoundException));
  test(`${name}: a provider's rate limit`, () => rejects(client.send(new ConverseCommand({ modelId: 'limited', messages: user('hi') })), ThrottlingException));
  for (const model of ['cut', 'error-event']) {
    test(`${name}: a stream that breaks is an exception: ${model}`, async () => {
      const { stream } = await client.send(new ConverseStreamCommand({ modelId: model, messages: user('hi') }));
      const error = await collect(stream).then(() => null, (thrown) => thrown);
      assert.match(error?.name ?? '', /^(ModelStreamError|ServiceUnavailable)Exception$/);
    });
  }
  test(`${name}: a wrong secret`, async () => {
    const stranger = new BedrockRuntimeClient({ ...options, ...handler, credentials: { ...credentials, secretAccessKey: 'x'.repeat(40) } });
    const error = await rejects(stranger.send(new ConverseCommand({ modelId: models[0], messages: user('hi') })), Error);
    assert.ok([401, 403].includes(error.$metadata.httpStatusCode), error.message);
  });
  test(`${name}: a key as bearer token`, async () => {
    const bearer = new BedrockRuntimeClient({ ...options, ...handler, token: { token: key }, authSchemePreference: ['httpBearerAuth'] });
    await text(bearer, models[0]);
  });
}

await run();
