// The official OpenAI SDK, unmodified, on kept responses and conversations: nothing but ids goes up where the SDK keeps none itself.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { collect, fails, key, model, run, test, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 60_000 });
const ask = (input, more = {}) => client.responses.create({ model, input, ...more });
const textOf = (item) => (typeof item.content === 'string' ? item.content : item.content.map((part) => part.text).join(''));

test('a response is kept, and can be had again', async () => {
  const made = await ask('first');
  assert.match(made.id, /^resp_/);
  assert.equal(made.store, true);
  const got = await client.responses.retrieve(made.id);
  assert.deepEqual(got.output, made.output);
  assert.equal(got.status, 'completed');
  assert.equal(got.id, made.id);
});

test('previous_response_id carries the conversation', async () => {
  const one = await ask('my name is Ada', { instructions: 'Be brief.' });
  const two = await ask('what is it?', { previous_response_id: one.id });
  assert.equal(two.previous_response_id, one.id);
  const three = await ask([{ role: 'user', content: 'and again?' }], { previous_response_id: two.id });
  const items = [];
  for await (const item of client.responses.inputItems.list(three.id, { order: 'asc', limit: 2 })) items.push(item);
  assert.deepEqual(items.map(textOf), ['my name is Ada', one.output_text, 'what is it?', two.output_text, 'and again?']);
  assert.ok(items.every((item) => item.id && item.type === 'message'));
});

test('a stream is kept before its last event', async () => {
  const events = await collect(await ask('streamed', { stream: true }));
  const last = events.at(-1);
  assert.equal(last.type, 'response.completed');
  assert.ok(events.filter((event) => event.response).every((event) => event.response.id === last.response.id && event.response.store));
  const next = await ask('go on', { previous_response_id: last.response.id });
  assert.equal(next.previous_response_id, last.response.id);
  assert.deepEqual((await client.responses.retrieve(last.response.id)).output, last.response.output);
});

test('a tool loop over previous_response_id', async () => {
  const tools = [{ type: 'function', name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } }, strict: false }];
  const one = await ask([{ role: 'user', content: 'the weather, please' }], { tools });
  const calls = one.output.filter((item) => item.type === 'function_call');
  assert.equal(calls.length, 2);
  const outputs = calls.map((call, at) => ({ type: 'function_call_output', call_id: call.call_id, output: `sunny ${at}` }));
  const two = await ask(outputs, { tools, previous_response_id: one.id });
  assert.match(two.output_text, /sunny 0.*sunny 1/);
});

test('items named by their ids', async () => {
  const one = await ask('remember me');
  const [said] = (await client.responses.inputItems.list(one.id)).data;
  const two = await ask([{ type: 'item_reference', id: said.id }, { role: 'user', content: 'who is it?' }]);
  const items = await client.responses.inputItems.list(two.id, { order: 'asc' });
  assert.deepEqual(items.data.map(textOf), ['remember me', 'who is it?']);
  await fails(ask([{ type: 'item_reference', id: 'msg_unknown' }]), OpenAI.NotFoundError, 404);
});

test('what is deleted is gone', async () => {
  const made = await ask('short-lived');
  await client.responses.delete(made.id);
  assert.match((await fails(client.responses.retrieve(made.id), OpenAI.NotFoundError, 404)).message, /not found/);
  await fails(client.responses.delete(made.id), OpenAI.NotFoundError, 404);
  const error = await fails(ask('again', { previous_response_id: made.id }), OpenAI.BadRequestError, 400);
  assert.equal(error.code, 'previous_response_not_found');
  assert.equal(error.param, 'previous_response_id');
  assert.equal(error.type, 'invalid_request_error');
});

test('store: false keeps nothing', async () => {
  const made = await ask('secret', { store: false });
  await fails(client.responses.retrieve(made.id), OpenAI.NotFoundError, 404);
});

test('conversations: made, read, changed, deleted', async () => {
  const made = await client.conversations.create({ metadata: { topic: 'demo' }, items: [{ type: 'message', role: 'user', content: 'Hello!' }] });
  assert.match(made.id, /^conv_/);
  assert.deepEqual(made.metadata, { topic: 'demo' });
  assert.equal(made.object, 'conversation');
  assert.deepEqual((await client.conversations.retrieve(made.id)), made);
  assert.deepEqual((await client.conversations.update(made.id, { metadata: { topic: 'other' } })).metadata, { topic: 'other' });
  const gone = await client.conversations.delete(made.id);
  assert.deepEqual(gone, { id: made.id, object: 'conversation.deleted', deleted: true });
  await fails(client.conversations.retrieve(made.id), OpenAI.NotFoundError, 404);
});

test('items of conversations', async () => {
  const { id } = await client.conversations.create();
  const items = [1, 2, 3].map((n) => ({ type: 'message', role: 'user', content: `line ${n}` }));
  const added = await client.conversations.items.create(id, { items });
  assert.deepEqual(added.data.map(textOf), ['line 1', 'line 2', 'line 3']);
  const seen = [];
  for await (const item of client.conversations.items.list(id, { limit: 1, order: 'asc' })) seen.push(textOf(item));
  assert.deepEqual(seen, ['line 1', 'line 2', 'line 3']);
  assert.equal(textOf((await client.conversations.items.list(id)).data[0]), 'line 3');
  const one = await client.conversations.items.retrieve(added.data[1].id, { conversation_id: id });
  assert.equal(textOf(one), 'line 2');
  assert.equal((await client.conversations.items.delete(one.id, { conversation_id: id })).id, id);
  await fails(client.conversations.items.retrieve(one.id, { conversation_id: id }), OpenAI.NotFoundError, 404);
  await fails(client.conversations.items.create(id, { items: Array(21).fill(items[0]) }), OpenAI.BadRequestError, 400);
});

test('a response in a conversation', async () => {
  const { id } = await client.conversations.create({ items: [{ type: 'message', role: 'user', content: 'I am Ada.' }] });
  const one = await ask('who am I?', { conversation: id });
  assert.deepEqual(one.conversation, { id });
  const events = await collect(await ask('and now?', { conversation: { id }, stream: true }));
  assert.deepEqual(events.at(-1).response.conversation, { id });
  const all = await client.conversations.items.list(id, { order: 'asc' });
  assert.deepEqual(all.data.map(textOf),
    ['I am Ada.', 'who am I?', one.output_text, 'and now?', events.at(-1).response.output[0].content[0].text]);
  const error = await fails(ask('x', { conversation: 'conv_unknown' }), OpenAI.NotFoundError, 404);
  assert.equal(error.code, 'conversation_not_found');
});

const settled = async (id) => {
  for (;;) {
    const got = await client.responses.retrieve(id);
    if (!['queued', 'in_progress'].includes(got.status)) return got;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

test('in the background, polled', async () => {
  const made = await ask('slowly', { background: true });
  assert.equal(made.status, 'queued');
  assert.equal(made.background, true);
  const got = await settled(made.id);
  assert.equal(got.status, 'completed');
  assert.equal(got.id, made.id);
  assert.equal(got.output_text ?? got.output[0].content[0].text, 'You said: slowly');
  assert.ok(got.usage.total_tokens > 0);
  assert.equal((await client.responses.cancel(made.id)).status, 'completed');
  const next = await ask('and then?', { previous_response_id: made.id, background: true });
  assert.equal((await settled(next.id)).previous_response_id, made.id);
});

test('in the background, streamed, and from the middle again', async () => {
  const events = await collect(await ask('streamed', { background: true, stream: true }));
  assert.equal(events.at(-1).type, 'response.completed');
  const { id } = events.at(-1).response;
  events.forEach((event, at) => assert.equal(event.sequence_number, at, event.type));
  assert.deepEqual(await collect(await client.responses.retrieve(id, { stream: true })), events);
  assert.deepEqual(await collect(await client.responses.retrieve(id, { stream: true, starting_after: 3 })), events.slice(4));
});

test('what cannot be is refused', async () => {
  await fails(ask('x', { conversation: 'conv_a', previous_response_id: 'resp_b' }), OpenAI.BadRequestError, 400);
  await fails(ask('x', { previous_response_id: 'resp_../../x' }), OpenAI.BadRequestError, 400);
  await fails(ask('x', { background: true, store: false }), OpenAI.BadRequestError, 400);
  await fails(client.responses.cancel((await ask('x')).id), OpenAI.BadRequestError, 400);
});

run();
