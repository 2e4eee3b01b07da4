// The official OpenAI SDK, unmodified, on Responses through Aquifer.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { collect, countingFetch, crossed, exact, exactTest, fails, key, model, run, test, toolTest, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000 });
const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: false,
};
const must = exact ? {} : { tool_choice: 'required', temperature: 0 };
const ask = (input, more = {}) => ({ model, input, max_output_tokens: 200, store: false, ...more });

// What the vendor's types demand of every response.
function checkResponse(response, status = 'completed') {
  assert.equal(response.object, 'response');
  assert.equal(response.status, status);
  assert.ok(response.id && Number.isInteger(response.created_at) && response.model);
  for (const name of ['error', 'incomplete_details', 'instructions', 'metadata', 'parallel_tool_calls', 'temperature', 'tool_choice', 'tools', 'top_p'])
    assert.ok(name in response, `${name} is missing`);
  const { usage } = response;
  assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  assert.ok(Number.isInteger(usage.input_tokens_details.cached_tokens) && Number.isInteger(usage.output_tokens_details.reasoning_tokens));
}

// Numbers rise, each added has its done, and what is said in between names it.
function checkEvents(events) {
  events.forEach((event, at) => assert.equal(event.sequence_number, at, event.type));
  assert.equal(events[0].type, 'response.created');
  const open = new Map();
  for (const event of events) {
    if (event.type === 'response.output_item.added') open.set(event.output_index, event.item.id);
    if (event.item_id) assert.equal(open.get(event.output_index), event.item_id, event.type);
    if (event.type === 'response.output_item.done') {
      assert.equal(open.get(event.output_index), event.item.id);
      open.delete(event.output_index);
    }
  }
  assert.equal(open.size, 0);
}

test('text, not streamed', async () => {
  const answer = await client.responses.create(ask('Say hello.'));
  checkResponse(answer, exact ? 'completed' : answer.status);
  assert.ok(answer.output_text.length > 0);
  if (exact) assert.equal(answer.output_text, 'You said: Say hello.');
});

test('text, streamed, event by event', async () => {
  const events = await collect(await client.responses.create(ask([{ role: 'user', content: 'Say hello.' }], { stream: true })));
  checkEvents(events);
  const text = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
  const last = events.at(-1);
  assert.ok(['response.completed', 'response.incomplete'].includes(last.type));
  assert.ok(text.length > 0);
  assert.equal(last.response.output.at(-1).content[0].text, text);
  if (exact) assert.equal(text, 'You said: Say hello.');
});

// Only of answers that Aquifer writes itself is it known what they must say.
exactTest('every response object repeats what the request said', async () => {
  if (!crossed) return;
  const schema = { type: 'object', properties: { hello: { type: 'string' } }, required: ['hello'], additionalProperties: false };
  const said = {
    instructions: 'Be brief.', temperature: 0.5, top_p: 0.9, metadata: { purpose: 'test' }, tool_choice: 'auto', parallel_tool_calls: false,
    truncation: 'disabled', safety_identifier: 'somebody', prompt_cache_key: 'a-key',
    text: { format: { type: 'json_schema', name: 'greeting', schema, strict: true } }, tools: [weather],
  };
  const check = (response) => {
    for (const name of ['instructions', 'temperature', 'top_p', 'metadata', 'tool_choice', 'parallel_tool_calls', 'truncation',
      'safety_identifier', 'prompt_cache_key']) assert.deepEqual(response[name], said[name], name);
    assert.equal(response.max_output_tokens, 200);
    assert.deepEqual(response.reasoning, { effort: null, summary: null });
    assert.deepEqual(response.text.format, { ...said.text.format, description: null });
    assert.deepEqual(response.tools, [weather]);
    assert.equal(response.previous_response_id, null);
    assert.equal(response.background, false);
  };
  check(await client.responses.create(ask('Say hello in JSON.', said)));
  const events = await collect(await client.responses.create(ask('Say hello in JSON.', { ...said, stream: true })));
  const told = events.filter((event) => event.response);
  assert.deepEqual(told.map((event) => event.type), ['response.created', 'response.in_progress', 'response.completed']);
  told.forEach((event) => check(event.response));
});

test('the stream helper folds to a whole response', async () => {
  const final = await client.responses.stream(ask('Say hello.')).finalResponse();
  checkResponse(final, exact ? 'completed' : final.status);
  if (exact) assert.equal(final.output_text, 'You said: Say hello.');
});

test('a client that stops listening gets away', async () => {
  for await (const event of await client.responses.create(ask('Count to one hundred.', { stream: true }))) {
    assert.ok(event.type);
    break;
  }
});

toolTest('tools, step by step, streamed', async () => {
  const input = [{ role: 'user', content: 'What is the weather in Paris and in Oslo? Use the tool.' }];
  const first = await client.responses.stream(ask(input, { tools: [weather], ...must })).finalResponse();
  const calls = first.output.filter((item) => item.type === 'function_call');
  assert.ok(calls.length > 0 && calls.every((call) => call.id && call.call_id && call.name === 'get_weather'));
  const cities = calls.map((call) => JSON.parse(call.arguments).city);
  if (exact) assert.deepEqual(cities, ['Paris', 'Oslo']);
  const results = calls.map((call, at) => ({ type: 'function_call_output', call_id: call.call_id, output: `sun ${at}` }));
  const said = first.output.map(({ parsed_arguments, ...item }) => item); // the SDK's own addition, which OpenAI refuses
  const second = await client.responses.create(ask([...input, ...said, ...results], { tools: [weather] }));
  assert.ok(second.output.length > 0);
  if (exact) assert.equal(second.output_text, 'Results: sun 0; sun 1');
});

exactTest('a conversation becomes one sealed item, with which it goes on', async () => {
  if (!crossed) return; // a provider of this format does it itself
  const compact = await client.responses.create(ask([{ role: 'user', content: 'Say hello.' }, { type: 'compaction_trigger' }]));
  checkResponse(compact);
  assert.equal(compact.output.length, 1);
  const [item] = compact.output;
  assert.equal(item.type, 'compaction');
  assert.ok(item.encrypted_content.startsWith('aq1.') && !item.encrypted_content.includes('hello'));
  const events = await collect(await client.responses.create(ask([{ role: 'user', content: 'x' }, { type: 'compaction_trigger' }], { stream: true })));
  checkEvents(events);
  assert.deepEqual(events.filter((event) => event.item).map((event) => event.item.type), ['compaction', 'compaction']);
  const next = await client.responses.create(ask([item, { role: 'user', content: 'Go on.' }]));
  assert.ok(next.output_text.endsWith('Go on.'));
  const forged = `${item.encrypted_content.slice(0, -4)}AAAA`;
  const error = await fails(client.responses.create(ask([{ ...item, encrypted_content: forged }])), OpenAI.BadRequestError, 400);
  assert.match(error.message, /sealed/);
});

exactTest('a conversation is compacted by its own call, and goes on with what came of it', async () => {
  const compacted = await client.responses.compact({ model, input: [{ role: 'user', content: 'Say hello.' }, { role: 'assistant', content: 'Hello.' }] });
  assert.equal(compacted.object, 'response.compaction');
  assert.ok(compacted.id && Number.isInteger(compacted.created_at) && compacted.usage.total_tokens > 0);
  const item = compacted.output.at(-1);
  assert.equal(item.type, 'compaction');
  assert.equal(item.encrypted_content.startsWith('aq1.'), crossed);
  const next = await client.responses.create(ask([...compacted.output, { role: 'user', content: 'Go on.' }]));
  assert.ok(next.output_text.endsWith('Go on.'));
});

test('what is not kept is a BadRequestError that says which', async () => {
  const error = await fails(client.responses.create(ask('x', { previous_response_id: 'resp_1' })), OpenAI.BadRequestError, 400);
  assert.match(error.message, /resp_1/);
  assert.equal(error.code, 'previous_response_not_found');
});

test('a wrong key is an AuthenticationError, and not tried again', async () => {
  const counting = countingFetch();
  const stranger = new OpenAI({ apiKey: 'aq_wrong', baseURL: `${url}/v1`, maxRetries: 3, fetch: counting });
  await fails(stranger.responses.create(ask('x')), OpenAI.AuthenticationError, 401);
  assert.equal(counting.calls, 1);
});

exactTest('429 with retry-after is waited for and counted', async () => {
  const counting = countingFetch();
  const patient = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 2, fetch: counting });
  const answer = await patient.responses.create(ask('again', { model: `${model}-limited` }));
  assert.equal(answer.output_text, 'after the wait');
  assert.equal(counting.calls, 2);
});

exactTest('an answer cut at its limit is incomplete, and says why', async () => {
  const answer = await client.responses.create(ask('x', { model: `${model}-long` }));
  checkResponse(answer, 'incomplete');
  assert.equal(answer.incomplete_details.reason, 'max_output_tokens');
});

exactTest('a stream that breaks ends with response.failed, and all that was opened is closed', async () => {
  const events = await collect(await client.responses.create(ask('x', { model: `${model}-cut`, stream: true })));
  const last = events.at(-1);
  assert.equal(last.type, 'response.failed');
  assert.ok(last.response.error.code && last.response.error.message);
  if (crossed) checkEvents(events);
});

await run();
