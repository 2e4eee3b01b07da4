// The official OpenAI SDK's WebSocket client, unmodified, on Responses through Aquifer.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { key, model, run, test, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
const user = (text) => [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }];
const weather = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } }, strict: false };

// One answer's events, whatever comes of other streams meanwhile.
async function answer(events, stream) {
  const found = [];
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done, 'closed before the answer was whole');
    if (value.type === 'error') throw value.error;
    if (value.type !== 'message' || value.message.stream_id !== stream) continue;
    found.push(value.message);
    if (['response.completed', 'response.incomplete', 'response.failed'].includes(value.message.type)) return found;
  }
}

function socketTest(name, body) {
  test(name, async () => {
    const ws = new ResponsesWS(client);
    const events = ws.stream();
    try {
      await body(ws, events);
    } finally {
      await events.return?.();
      ws.close();
    }
  });
}

const ask = (ws, input, more = {}) => ws.send({ type: 'response.create', model, input, store: false, ...more });
const text = (events) => events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta).join('');
const idOf = (events) => events.at(-1).response.id;

socketTest('one answer, event by event', async (ws, events) => {
  ask(ws, user('hello'));
  const got = await answer(events);
  assert.equal(got[0].type, 'response.created');
  got.forEach((event, at) => assert.equal(event.sequence_number, at));
  assert.equal(text(got), 'You said: hello');
});

socketTest('several answers on one connection', async (ws, events) => {
  for (const word of ['one', 'two', 'three']) {
    ask(ws, user(word));
    assert.equal(text(await answer(events)), `You said: ${word}`);
  }
});

socketTest('a chain by previous_response_id', async (ws, events) => {
  ask(ws, user('first'));
  const id = idOf(await answer(events));
  ask(ws, user('second'), { previous_response_id: id });
  assert.equal(text(await answer(events)), 'You said: second');
});

socketTest('a tool loop', async (ws, events) => {
  ask(ws, user('What is the weather?'), { tools: [weather] });
  const got = await answer(events);
  const calls = got.at(-1).response.output.filter((item) => item.type === 'function_call');
  assert.equal(calls.length, 2);
  const results = calls.map((call, at) => ({ type: 'function_call_output', call_id: call.call_id, output: `rain ${at}` }));
  ask(ws, results, { tools: [weather], previous_response_id: idOf(got) });
  assert.equal(text(await answer(events)), 'Results: rain 0; rain 1');
});

socketTest('a warm-up and what follows it', async (ws, events) => {
  ask(ws, user('base'), { generate: false, tools: [weather] });
  const warm = await answer(events);
  assert.deepEqual(warm.map((event) => event.type), ['response.created', 'response.completed']);
  ask(ws, user('go'), { previous_response_id: idOf(warm) });
  assert.match(text(await answer(events)), /go$/);
});

socketTest('two streams at once', async (ws, events) => {
  ask(ws, user('left'), { stream_id: 'left' });
  assert.equal(text(await answer(events, 'left')), 'You said: left');
  ask(ws, user('right'), { stream_id: 'right' });
  assert.equal(text(await answer(events, 'right')), 'You said: right');
});

socketTest('an unknown id is an error event', async (ws, events) => {
  ask(ws, user('x'), { previous_response_id: 'resp_nobody' });
  await assert.rejects(answer(events), (error) => error.error.error.code === 'previous_response_not_found' && error.error.status === 400);
});

socketTest('an unknown model is an error event, and the connection goes on', async (ws, events) => {
  ask(ws, user('x'), { model: 'nothing-here' });
  await assert.rejects(answer(events), (error) => error.error.status === 404);
  ask(ws, user('still here'));
  assert.equal(text(await answer(events)), 'You said: still here');
});

socketTest('a long text', async (ws, events) => {
  const long = 'many words '.repeat(5000);
  ask(ws, user(long));
  assert.equal(text(await answer(events)), `You said: ${long}`);
});

test('a wrong key is refused at the handshake', async () => {
  const ws = new ResponsesWS(new OpenAI({ apiKey: 'aq_wrong', baseURL: `${url}/v1` }));
  const error = await new Promise((resolve) => ws.on('error', resolve));
  assert.match(String(error.message) + String(error.cause?.message), /401/);
});

run();
