// The official OpenAI SDK, unmodified, on Chat Completions through Aquifer.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { collect, countingFetch, exact, exactTest, fails, key, model, run, test, toolTest, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000 });
const ask = (text) => [{ role: 'user', content: text }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const must = exact ? {} : { tool_choice: 'required', temperature: 0 };

test('text, not streamed', async () => {
  const answer = await client.chat.completions.create({ model, messages: ask('Say hello.'), max_tokens: 30 });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  if (exact) assert.equal(answer.choices[0].message.content, 'You said: Say hello.');
  else assert.ok(answer.choices[0].message.content.length > 0);
});

test('text, streamed, with usage', async () => {
  const stream = await client.chat.completions.create({
    model, messages: ask('Say hello.'), max_tokens: 30, stream: true, stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');
  assert.ok(text.length > 0);
  if (exact) assert.equal(text, 'You said: Say hello.');
  const last = chunks.at(-1);
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.prompt_tokens > 0 && last.usage.completion_tokens > 0);
});

test('text, streamed, without usage: no chunk of ours shows', async () => {
  const stream = await client.chat.completions.create({ model, messages: ask('Say hello.'), max_tokens: 30, stream: true });
  const chunks = await collect(stream);
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
});

test('the stream helper folds to a whole answer', async () => {
  const final = await client.chat.completions.stream({ model, messages: ask('Say hello.'), max_tokens: 30 }).finalChatCompletion();
  assert.ok(['stop', 'length'].includes(final.choices[0].finish_reason));
  if (exact) assert.equal(final.choices[0].message.content, 'You said: Say hello.');
});

test('a client that stops listening gets away', async () => {
  const stream = await client.chat.completions.create({ model, messages: ask('Count to one hundred.'), max_tokens: 200, stream: true });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
});

toolTest('tools, step by step', async () => {
  const messages = ask('What is the weather in Paris and in Oslo? Use the tool.');
  const first = await client.chat.completions.create({ model, messages, tools: [weather], max_tokens: 200, ...must });
  const said = first.choices[0].message;
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  assert.ok(said.tool_calls.length > 0);
  assert.ok(said.tool_calls.every((call) => call.id && call.type === 'function' && call.function.name === 'get_weather'));
  const cities = said.tool_calls.map((call) => JSON.parse(call.function.arguments).city);
  assert.ok(cities.every((city) => typeof city === 'string'));
  if (exact) assert.deepEqual(cities, ['Paris', 'Oslo']);
  const results = said.tool_calls.map((call, at) => ({ role: 'tool', tool_call_id: call.id, content: `sun ${at}` }));
  const second = await client.chat.completions.create({ model, messages: [...messages, said, ...results], tools: [weather], max_tokens: 200 });
  const end = second.choices[0].message;
  assert.ok(end.content?.length || end.tool_calls?.length);
  if (exact) assert.equal(end.content, 'Results: sun 0; sun 1');
});

toolTest('tools, streamed, run by the SDK', async () => {
  const cities = [];
  const tool = {
    type: 'function',
    function: { ...weather.function, parse: JSON.parse, function: ({ city }) => (cities.push(city), `sun in ${city}`) },
  };
  const runner = client.chat.completions.runTools({
    model, messages: ask('What is the weather in Paris and in Oslo? Use the tool.'), tools: [tool], stream: true, max_tokens: 200, ...must,
  }, { maxChatCompletions: exact ? 4 : 1 });
  await runner.done();
  assert.ok(cities.length > 0 && cities.every((city) => typeof city === 'string'));
  if (!exact) return;
  assert.equal(await runner.finalContent(), 'Results: sun in Paris; sun in Oslo');
  assert.deepEqual(cities, ['Paris', 'Oslo']);
});

test('the list of models', async () => {
  const models = await collect(client.models.list());
  assert.ok(models.some((one) => one.id === model && one.object === 'model'));
  assert.ok(models.every((one) => Number.isInteger(one.created)));
});

test('a wrong key is an AuthenticationError, and not tried again', async () => {
  const counting = countingFetch();
  const stranger = new OpenAI({ apiKey: 'aq_wrong', baseURL: `${url}/v1`, maxRetries: 3, fetch: counting });
  const error = await fails(stranger.chat.completions.create({ model, messages: ask('x') }), OpenAI.AuthenticationError, 401);
  assert.ok(error.code && error.requestID);
  assert.equal(counting.calls, 1);
});

test('an unknown model is a NotFoundError', async () => {
  const error = await fails(client.chat.completions.create({ model: `${model}-nowhere`, messages: ask('x') }), OpenAI.NotFoundError, 404);
  assert.ok(error.message.includes(model));
});

test('a malformed request is a BadRequestError', async () => {
  await fails(client.chat.completions.create({ model, messages: 'no list' }), OpenAI.BadRequestError, 400);
});

exactTest('429 with retry-after is waited for and counted', async () => {
  const counting = countingFetch();
  const patient = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 2, fetch: counting });
  const started = Date.now();
  const answer = await patient.chat.completions.create({ model: 'limited', messages: ask('again') });
  assert.equal(answer.choices[0].message.content, 'after the wait');
  assert.equal(counting.calls, 2);
  assert.ok(Date.now() - started >= 990, 'the wait of retry-after was kept');
});

exactTest('429 without retries is a RateLimitError with the provider\'s words', async () => {
  const error = await fails(client.chat.completions.create({ model: 'limited-for-ever', messages: ask('x') }), OpenAI.RateLimitError, 429);
  assert.equal(error.headers.get('retry-after'), '1');
  assert.equal(error.code, 'rate_limit_exceeded');
});

for (const broken of ['error-event', 'cut', 'clean-end']) {
  exactTest(`a stream that breaks (${broken}) throws, after the text that came`, async () => {
    const stream = await client.chat.completions.create({ model: broken, messages: ask('x'), stream: true });
    let text = '';
    const error = await (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
    })().then(() => null, (thrown) => thrown);
    assert.ok(error instanceof OpenAI.APIError, `${error?.constructor?.name}: ${error?.message}`);
    assert.equal(text, 'Hello ');
  });
}

exactTest('an answer that is not whole JSON is an InternalServerError', async () => {
  await fails(client.chat.completions.create({ model: 'cut-json', messages: ask('x') }), OpenAI.InternalServerError, 502);
});

await run();
