// The official OpenAI SDK, unmodified, against a real model for embeddings that the local engine serves.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { countingFetch, fails, key, model, run, test, url } from './tap.mjs';

const DIMENSIONS = 384;
const counting = countingFetch();
const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000, fetch: counting });
const embed = (input, more = {}) => client.embeddings.create({ model, input, ...more });
const vector = async (text) => (await embed(text)).data[0].embedding;
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-4, `${a} is not ${b}`);

test('a vector of the right length and size, with its usage', async () => {
  const answer = await embed('A cat sits on the mat.');
  assert.equal(answer.object, 'list');
  assert.deepEqual(answer.data.map((one) => [one.object, one.index]), [['embedding', 0]]);
  assert.equal(answer.data[0].embedding.length, DIMENSIONS);
  near(dot(answer.data[0].embedding, answer.data[0].embedding), 1);
  assert.deepEqual(answer.usage, { prompt_tokens: 9, total_tokens: 9 }); // seven pieces between [CLS] and [SEP]
});

test('numbers and base64, which the SDK asks for by itself, say the same', async () => {
  const [decoded, plain] = [await embed('warm rain'), await embed('warm rain', { encoding_format: 'float' })];
  assert.equal(decoded.data[0].embedding.length, DIMENSIONS);
  decoded.data[0].embedding.forEach((x, i) => near(x, plain.data[0].embedding[i]));
  const raw = await embed('warm rain', { encoding_format: 'base64' });
  assert.equal(typeof raw.data[0].embedding, 'string');
  const bytes = Buffer.from(raw.data[0].embedding, 'base64');
  assert.equal(bytes.length, 4 * DIMENSIONS);
  plain.data[0].embedding.forEach((x, i) => near(x, bytes.readFloatLE(4 * i)));
});

test('many texts come back in their order, each as if it came alone', async () => {
  const texts = ['one horse', 'two ships', 'three kings', 'two ships'];
  const answer = await embed(texts);
  assert.deepEqual(answer.data.map((one) => one.index), [0, 1, 2, 3]);
  for (const [i, text] of texts.entries()) near(dot(answer.data[i].embedding, await vector(text)), 1);
});

test('equal texts have equal vectors, with either case of letters', async () => {
  near(dot(await vector('The rain in Spain'), await vector('The rain in Spain')), 1);
  near(dot(await vector('The rain in Spain'), await vector('the RAIN in spain')), 1);
});

test('what means the same is nearer than what does not', async () => {
  const related = [
    ['A cat sits on the mat.', 'A kitten is lying on a rug.'],
    ['The central bank raised interest rates.', 'Borrowing money has become more expensive.'],
    ['How do I reset my password?', 'I forgot my login credentials.'],
  ];
  const vectors = await Promise.all(related.map((pair) => Promise.all(pair.map(vector))));
  for (const [i, [a, b]] of vectors.entries()) {
    for (const [k, [, other]] of vectors.entries()) {
      if (k !== i) assert.ok(dot(a, b) > dot(a, other) + 0.15, `${related[i]} / ${related[k][1]}: ${dot(a, b)}, ${dot(a, other)}`);
    }
  }
});

test('the vector is the one that the model has elsewhere', async () => {
  // The similarities that the model's own makers publish for these three (its card, "Similarity" of Sentence Transformers' quickstart).
  const [a, b, c] = (await embed(['The weather is lovely today.', "It's so sunny outside!", 'He drove to the stadium.'])).data;
  for (const [one, two, told] of [[a, b, 0.666], [a, c, 0.1046], [b, c, 0.1411]]) {
    assert.ok(Math.abs(dot(one.embedding, two.embedding) - told) < 0.002, `${dot(one.embedding, two.embedding)}, not ${told}`);
  }
});

test('texts of every script, and of nothing', async () => {
  for (const text of ['\u4f60\u597d', '\ud83c\udf27\ufe0f', 'na\u00efve caf\u00e9', ' ']) near(dot(await vector(text), await vector(text)), 1);
  near(dot(await vector('na\u00efve caf\u00e9'), await vector('naive cafe')), 1); // this model drops accents
});

test('tokens in place of a text', async () => {
  near(dot(await vector([101, 2023, 2003, 102]), await vector('this is')), 1);
});

test('a text as long as the model takes', async () => {
  assert.equal((await embed('word '.repeat(510))).usage.prompt_tokens, 512);
});

test('a longer text is refused once, and its caller told why', async () => {
  const before = counting.calls;
  for (const words of [520, 4000]) {
    const error = await fails(embed('word '.repeat(words)), OpenAI.BadRequestError, 400);
    assert.match(error.message, /too large|context/);
  }
  assert.equal(counting.calls, before + 2);
  assert.equal((await vector('still here')).length, DIMENSIONS);
});

test('an empty list is refused', async () => {
  await fails(embed([]), OpenAI.BadRequestError, 400);
});

await run();
