// Google's official SDK, unmodified, on generateContent through Aquifer.
import assert from 'node:assert/strict';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { collect, fails, key, model, run, test, uncounted, url } from './tap.mjs';

const at = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url, apiVersion: 'v1beta' } });
const client = at(key);
const contents = 'Say hello.';
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters: { type: 'OBJECT', properties: { city: { type: 'STRING', nullable: false } }, required: ['city'] },
};
const config = { tools: [{ functionDeclarations: [weather] }] };

test('text, not streamed', async () => {
  const answer = await client.models.generateContent({ model, contents });
  assert.equal(answer.text, 'You said: Say hello.');
  assert.equal(answer.candidates[0].finishReason, 'STOP');
  const { promptTokenCount, candidatesTokenCount, totalTokenCount } = answer.usageMetadata;
  assert.ok(promptTokenCount > 0 && candidatesTokenCount > 0 && totalTokenCount >= promptTokenCount + candidatesTokenCount);
});

test('text, streamed, piece by piece', async () => {
  const chunks = await collect(await client.models.generateContentStream({ model, contents }));
  assert.ok(chunks.length > 2);
  assert.equal(chunks.map((chunk) => chunk.text ?? '').join(''), 'You said: Say hello.');
  assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
  assert.ok(chunks.at(-1).usageMetadata.candidatesTokenCount > 0);
});

test('settings and a system instruction', async () => {
  const answer = await client.models.generateContent({
    model, contents, config: { systemInstruction: 'Be brief.', temperature: 0.5, topP: 0.9, maxOutputTokens: 100, stopSequences: ['never'] },
  });
  assert.equal(answer.text, 'You said: Say hello.');
});

test('tools, step by step', async () => {
  const question = { role: 'user', parts: [{ text: 'What is the weather in Paris and in Oslo?' }] };
  const first = await client.models.generateContent({
    model, contents: [question], config: { ...config, toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } },
  });
  assert.deepEqual(first.functionCalls.map((call) => call.args.city), ['Paris', 'Oslo']);
  const results = first.functionCalls.map((call, index) => ({ functionResponse: { id: call.id, name: call.name, response: { output: `sun ${index}` } } }));
  const second = await client.models.generateContent({
    model, contents: [question, first.candidates[0].content, { role: 'user', parts: results }], config,
  });
  assert.equal(second.text, 'Results: sun 0; sun 1');
});

test('a chat keeps its history through a tool loop, streamed', async () => {
  const chat = client.chats.create({ model, config });
  const chunks = await collect(await chat.sendMessageStream({ message: 'the weather in Paris, please' }));
  const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
  assert.deepEqual(calls.map((call) => call.args), [{ city: 'Paris' }, { city: 'Oslo' }]);
  const message = calls.map((call) => ({ functionResponse: { id: call.id, name: call.name, response: { output: 'rain' } } }));
  const answer = await chat.sendMessage({ message });
  assert.equal(answer.text, 'Results: rain; rain');
});

test('countTokens', async () => {
  if (uncounted) return fails(client.models.countTokens({ model, contents }), ApiError, 400);
  assert.equal((await client.models.countTokens({ model, contents })).totalTokens, 11);
});

test('the list of models, in Google\'s shape', async () => {
  const models = await collect(await client.models.list({ config: { queryBase: true } }));
  assert.ok(models.some((one) => one.name === `models/${model}`));
});

test('a wrong key is an ApiError 401 in Google\'s words', async () => {
  const error = await fails(at('aq_wrong').models.generateContent({ model, contents }), ApiError, 401);
  assert.equal(JSON.parse(error.message).error.status, 'UNAUTHENTICATED');
});

test('an unknown model is a 404', async () => {
  const error = await fails(client.models.generateContent({ model: `${model}-nowhere`, contents }), ApiError, 404);
  assert.equal(JSON.parse(error.message).error.status, 'NOT_FOUND');
});

test('a provider\'s 429 comes in Google\'s words', async () => {
  const error = await fails(client.models.generateContent({ model: 'gemini-limited', contents }), ApiError, 429);
  assert.equal(JSON.parse(error.message).error.status, 'RESOURCE_EXHAUSTED');
});

test('an error within a stream throws, after the text that came', async () => {
  const stream = await client.models.generateContentStream({ model: 'gemini-error-event', contents });
  let text = '';
  const error = await (async () => {
    for await (const chunk of stream) text += chunk.text ?? '';
  })().then(() => null, (thrown) => thrown);
  assert.ok(error instanceof ApiError, `${error?.constructor?.name}: ${error?.message}`);
  assert.equal(text, 'Hello ');
});

test('a stream that ends without a reason throws', async () => {
  const stream = await client.models.generateContentStream({ model: 'gemini-clean-end', contents });
  await fails(collect(stream), ApiError);
});

test('the Interactions API is refused in so many words', async () => {
  const answer = await fetch(`${url}/v1beta/interactions`, { method: 'POST', headers: { 'x-goog-api-key': key }, body: '{}' });
  assert.equal(answer.status, 404);
  assert.match((await answer.json()).error.message, /generateContent/);
});

test('embeddings, of one text and of several', async () => {
  const asking = client.models.embedContent({ model, contents: ['a', 'bcd'], config: { outputDimensionality: 2 } });
  if (process.env.AQUIFER_NO_EMBEDDINGS) return fails(asking, ApiError);
  const { embeddings } = await asking;
  assert.equal(embeddings.length, 2);
  assert.ok(embeddings.every(({ values }) => values.length >= 2 && values.every(Number.isFinite)));
  const one = await client.models.embedContent({ model, contents: 'a', config: { taskType: 'RETRIEVAL_QUERY' } });
  assert.equal(one.embeddings.length, 1);
});

await run();
