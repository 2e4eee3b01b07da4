// The official OpenAI SDK, unmodified: its own tool loop on Chat Completions, in front of a model that thinks before it calls and wants
// its thoughts back, which this format has no place for.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { key, model, run, test, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000 });
const cities = [];
const tools = [{
  type: 'function',
  function: {
    name: 'get_weather', description: 'The weather in a city.', parse: JSON.parse,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    function: ({ city }) => (cities.push(city), `${city}: sun`),
  },
}];
const ask = { model, messages: [{ role: 'user', content: 'The weather?' }], reasoning_effort: 'high', tools };

for (const stream of [false, true]) {
  test(`the SDK's tool loop, ${stream ? '' : 'not '}streamed`, async () => {
    cities.length = 0;
    const runner = client.chat.completions.runTools({ ...ask, stream });
    assert.equal(await runner.finalContent(), 'Results: Paris: sun; Oslo: sun');
    assert.deepEqual(cities.sort(), ['Oslo', 'Paris']);
  });
}

run();
