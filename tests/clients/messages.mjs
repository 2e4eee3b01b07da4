// The official Anthropic SDK, unmodified, on Messages through Aquifer.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { collect, countingFetch, crossed, exact, exactTest, fails, key, model, run, test, toolTest, uncounted, url } from './tap.mjs';

const client = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0, timeout: 600_000 });
const ask = (text) => [{ role: 'user', content: text }];
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const textOf = (message) => message.content.filter((block) => block.type === 'text').map((block) => block.text).join('');

const must = (choice) => (exact ? {} : { tool_choice: choice, temperature: 0 });
const isCall = (block) => block.type === 'tool_use' && block.id && block.name === 'get_weather' && typeof block.input.city === 'string';

test('text, not streamed', async () => {
  const answer = await client.messages.create({ model, max_tokens: 30, messages: ask('Say hello.') });
  assert.equal(answer.type, 'message');
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  if (exact) assert.equal(textOf(answer), 'You said: Say hello.');
  else assert.ok(textOf(answer).length > 0);
});

test('text, streamed, event by event', async () => {
  const stream = await client.messages.create({ model, max_tokens: 30, messages: ask('Say hello.'), stream: true });
  const events = await collect(stream);
  assert.equal(events[0].type, 'message_start');
  assert.equal(events.at(-1).type, 'message_stop');
  const text = events.filter((event) => event.type === 'content_block_delta').map((event) => event.delta.text).join('');
  assert.ok(text.length > 0);
  if (exact) assert.equal(text, 'You said: Say hello.');
});

test('the stream helper folds to a whole message', async () => {
  const message = await client.messages.stream({ model, max_tokens: 30, messages: ask('Say hello.') }).finalMessage();
  assert.ok(['end_turn', 'max_tokens'].includes(message.stop_reason));
  if (exact) {
    assert.equal(textOf(message), 'You said: Say hello.');
    assert.equal(message.usage.output_tokens, crossed ? 7 : 5);
  }
});

test('a client that stops listening gets away', async () => {
  const stream = await client.messages.create({ model, max_tokens: 200, messages: ask('Count to one hundred.'), stream: true });
  for await (const event of stream) {
    assert.ok(event.type);
    break;
  }
});

toolTest('tools, step by step', async () => {
  const messages = ask('What is the weather in Paris and in Oslo? Use the tool.');
  const first = await client.messages.create({ model, max_tokens: 200, messages, tools: [weather], ...must({ type: 'any' }) });
  const uses = first.content.filter((block) => block.type === 'tool_use');
  assert.equal(first.stop_reason, 'tool_use');
  assert.ok(uses.length > 0 && uses.every(isCall));
  if (exact) assert.deepEqual(uses.map((use) => use.input.city), ['Paris', 'Oslo']);
  const results = uses.map((use, at) => ({ type: 'tool_result', tool_use_id: use.id, content: `sun ${at}` }));
  const second = await client.messages.create({
    model, max_tokens: 200, tools: [weather],
    messages: [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
  });
  assert.ok(textOf(second).length > 0 || second.content.some((block) => block.type === 'tool_use'));
  if (exact) assert.equal(textOf(second), 'Results: sun 0; sun 1');
});

toolTest('tools, streamed: arguments come in pieces and parse', async () => {
  const stream = client.messages.stream({
    model, max_tokens: 200, messages: ask('the weather in Paris, please'), tools: [weather], ...must({ type: 'tool', name: 'get_weather' }),
  });
  const message = await stream.finalMessage();
  assert.equal(message.stop_reason, 'tool_use');
  assert.ok(message.content.some(isCall));
  const uses = message.content.filter((block) => block.type === 'tool_use'); // behind state of Gemini's, when that answered
  if (exact) assert.deepEqual(uses.map((block) => block.input), [{ city: 'Paris' }, { city: 'Oslo' }]);
});

test('count_tokens', async () => {
  if (uncounted) return fails(client.messages.countTokens({ model, messages: ask('Say hello.') }), Anthropic.APIError);
  const count = await client.messages.countTokens({ model, messages: ask('Say hello.') });
  assert.ok(Number.isInteger(count.input_tokens) && count.input_tokens > 0);
  if (exact) assert.equal(count.input_tokens, 11);
});

test('the list of models, in Anthropic\'s shape', async () => {
  const models = await collect(client.models.list());
  const one = models.find((candidate) => candidate.id === model);
  assert.equal(one.type, 'model');
  assert.ok(one.display_name && !Number.isNaN(Date.parse(one.created_at)));
});

test('a key as bearer token does as well', async () => {
  const bearer = new Anthropic({ apiKey: null, authToken: key, baseURL: url, maxRetries: 0 });
  const answer = await bearer.messages.create({ model, max_tokens: 10, messages: ask('Say hello.') });
  assert.equal(answer.role, 'assistant');
});

test('a wrong key is an AuthenticationError, and not tried again', async () => {
  const counting = countingFetch();
  const stranger = new Anthropic({ apiKey: 'aq_wrong', baseURL: url, maxRetries: 3, fetch: counting });
  const error = await fails(stranger.messages.create({ model, max_tokens: 10, messages: ask('x') }), Anthropic.AuthenticationError, 401);
  assert.equal(error.error.type, 'error');
  assert.equal(error.error.error.type, 'authentication_error');
  assert.ok(error.requestID);
  assert.equal(counting.calls, 1);
});

test('an unknown model is a NotFoundError', async () => {
  const error = await fails(client.messages.create({ model: `${model}-nowhere`, max_tokens: 10, messages: ask('x') }), Anthropic.NotFoundError, 404);
  assert.equal(error.error.error.type, 'not_found_error');
});

test('a malformed request is a BadRequestError', async () => {
  await fails(client.messages.create({ model, max_tokens: 10, messages: 'no list' }), Anthropic.BadRequestError, 400);
});

exactTest('429 with retry-after is waited for and counted', async () => {
  const counting = countingFetch();
  const patient = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 2, fetch: counting });
  const started = Date.now();
  const answer = await patient.messages.create({ model: 'claude-limited', max_tokens: 10, messages: ask('again') });
  assert.equal(textOf(answer), 'after the wait');
  assert.equal(counting.calls, 2);
  assert.ok(Date.now() - started >= 990, 'the wait of retry-after was kept');
});

exactTest('429 without retries is a RateLimitError with the provider\'s words', async () => {
  const error = await fails(client.messages.create({ model: 'claude-limited-for-ever', max_tokens: 10, messages: ask('x') }), Anthropic.RateLimitError, 429);
  assert.equal(error.headers.get('retry-after'), '1');
  assert.equal(error.error.error.type, 'rate_limit_error');
});

for (const broken of ['error-event', 'cut', 'clean-end']) {
  exactTest(`a stream that breaks (${broken}) throws, after the text that came`, async () => {
    const stream = await client.messages.create({ model: `claude-${broken}`, max_tokens: 10, messages: ask('x'), stream: true });
    let text = '';
    const error = await (async () => {
      for await (const event of stream) text += event.delta?.text ?? '';
    })().then(() => null, (thrown) => thrown);
    assert.ok(error instanceof Anthropic.APIError, `${error?.constructor?.name}: ${error?.message}`);
    assert.equal(text, 'Hello ');
  });
}

exactTest('an answer that is not whole JSON is an InternalServerError', async () => {
  await fails(client.messages.create({ model: 'claude-cut-json', max_tokens: 10, messages: ask('x') }), Anthropic.InternalServerError, 502);
});

await run();
