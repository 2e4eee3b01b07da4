// The official OpenAI SDK, unmodified, on everything that is no conversation, through Aquifer.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { collect, fails, key, run, test, url } from './tap.mjs';

const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000 });
const sound = () => toFile(Buffer.from('RIFF\r\n\r\nnot a real one'), 'a.wav');

test('embeddings, one and many', async () => {
  const one = await client.embeddings.create({ model: 'embed', input: 'hello', encoding_format: 'float' });
  assert.deepEqual(one.data[0].embedding, [0.25, -0.5, 0]);
  const two = await client.embeddings.create({ model: 'embed', input: ['a', 'b'], encoding_format: 'float' });
  assert.equal(two.data.length, 2);
  assert.equal(two.usage.prompt_tokens, 13);
});

test('embeddings refused by the provider', async () => {
  const error = await fails(client.embeddings.create({ model: 'embed', input: '' }), OpenAI.BadRequestError, 400);
  assert.equal(error.param, 'input');
});

test('an unknown model', async () => {
  const error = await fails(client.embeddings.create({ model: 'embedd', input: 'x' }), OpenAI.NotFoundError, 404);
  assert.match(error.message, /embed/);
});

test('images made', async () => {
  const made = await client.images.generate({ model: 'draw', prompt: 'a cat', n: 2 });
  assert.equal(made.data.length, 2);
});

test('images made, streamed', async () => {
  const events = await collect(await client.images.generate({ model: 'draw', prompt: 'a cat', stream: true }));
  assert.equal(events.at(-1).type, 'image_generation.completed');
});

test('images edited', async () => {
  const made = await client.images.edit({ model: 'draw', prompt: 'a hat', image: await toFile(Buffer.from('PNG'), 'a.png', { type: 'image/png' }) });
  assert.equal(made.usage.output_tokens, 100);
});

test('images varied', async () => {
  const made = await client.images.createVariation({ model: 'draw', image: await toFile(Buffer.from('PNG'), 'a.png', { type: 'image/png' }) });
  assert.equal(made.data.length, 1);
});

test('speech', async () => {
  const answer = await client.audio.speech.create({ model: 'speak', voice: 'alloy', input: 'Hello.' });
  assert.equal(Buffer.from(await answer.arrayBuffer()).subarray(0, 4).toString(), 'RIFF');
});

test('a transcript', async () => {
  const heard = await client.audio.transcriptions.create({ model: 'hear', file: await sound() });
  assert.equal(heard.text, '22 bytes');
});

test('a transcript, streamed', async () => {
  const events = await collect(await client.audio.transcriptions.create({ model: 'hear', file: await sound(), stream: true }));
  assert.equal(events.at(-1).text, 'Hello.');
});

test('a translation', async () => {
  const heard = await client.audio.translations.create({ model: 'whisper', file: await sound() });
  assert.equal(heard.text, '22 bytes');
});

test('a moderation', async () => {
  const judged = await client.moderations.create({ model: 'judge', input: 'x' });
  assert.equal(judged.results[0].flagged, false);
});

await run();
