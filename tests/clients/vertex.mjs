// Vertex AI's callers, unmodified, through Aquifer: Anthropic's Vertex SDK and Google's own SDK in its Vertex mode.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { AnthropicVertex } from '@anthropic-ai/vertex-sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { OAuth2Client } from 'google-auth-library';
import { collect, crossed, fails, key, run, test, url } from './tap.mjs';

const claude = process.env.AQUIFER_CLAUDE;
const gemini = process.env.AQUIFER_GEMINI;
// Whoever has tokens of Google's own sends them; here Aquifer's key is the token.
const token = (text) => {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: text, expiry_date: Date.now() + 3_600_000 });
  return client;
};
const anthropicAt = (text) => new AnthropicVertex({ authClient: token(text), projectId: 'my-project', region: 'europe-west1', baseURL: `${url}/v1`, maxRetries: 0 });
const googleAt = (text) => new GoogleGenAI({
  vertexai: true, project: 'my-project', location: 'europe-west1', googleAuthOptions: { authClient: token(text) }, httpOptions: { baseUrl: url },
});
const anthropic = anthropicAt(key);
const google = googleAt(key);
const ask = (text) => [{ role: 'user', content: text }];
const textOf = (message) => message.content.filter((block) => block.type === 'text').map((block) => block.text).join('');
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const functions = [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } } } }] }];

test('Claude: text, not streamed', async () => {
  const answer = await anthropic.messages.create({ model: claude, max_tokens: 30, messages: ask('Say hello.') });
  assert.equal(answer.type, 'message');
  assert.equal(textOf(answer), 'You said: Say hello.');
});

test('Claude: text, streamed', async () => {
  const message = await anthropic.messages.stream({ model: claude, max_tokens: 30, messages: ask('Say hello.') }).finalMessage();
  assert.equal(textOf(message), 'You said: Say hello.');
  assert.ok(message.usage.output_tokens > 1);
});

test('Claude: tools, step by step', async () => {
  const messages = ask('What is the weather in Paris and in Oslo?');
  const first = await anthropic.messages.create({ model: claude, max_tokens: 200, messages, tools: [weather] });
  const uses = first.content.filter((block) => block.type === 'tool_use');
  assert.deepEqual(uses.map((use) => use.input.city), ['Paris', 'Oslo']);
  const results = uses.map((use, at) => ({ type: 'tool_result', tool_use_id: use.id, content: `sun ${at}` }));
  const second = await anthropic.messages.create({
    model: claude, max_tokens: 200, tools: [weather],
    messages: [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
  });
  assert.equal(textOf(second), 'Results: sun 0; sun 1');
});

test('Claude: betas', async () => {
  const answer = await anthropic.beta.messages.create({ model: claude, max_tokens: 30, messages: ask('Say hello.'), betas: ['context-1m-2025-08-07'] });
  assert.equal(textOf(answer), 'You said: Say hello.');
});

test('Claude: count_tokens', async () => {
  const counting = anthropic.messages.countTokens({ model: claude, messages: ask('Say hello.') });
  if (crossed) return fails(counting, Anthropic.APIError);
  assert.equal((await counting).input_tokens, 11);
});

test('Claude: errors are those of the SDK', async () => {
  const stranger = await fails(anthropicAt('aq_wrong').messages.create({ model: claude, max_tokens: 9, messages: ask('x') }), Anthropic.AuthenticationError, 401);
  assert.equal(stranger.error.error.type, 'authentication_error');
  await fails(anthropic.messages.create({ model: 'claude-nowhere@20250101', max_tokens: 9, messages: ask('x') }), Anthropic.NotFoundError, 404);
  await fails(anthropic.messages.create({ model: claude, max_tokens: 9, messages: 'no list' }), Anthropic.BadRequestError, 400);
});

test('Gemini: text, not streamed', async () => {
  const answer = await google.models.generateContent({ model: gemini, contents: 'Say hello.' });
  assert.equal(answer.text, 'You said: Say hello.');
});

test('Gemini: text, streamed', async () => {
  const chunks = await collect(await google.models.generateContentStream({ model: gemini, contents: 'Say hello.' }));
  assert.equal(chunks.map((chunk) => chunk.text ?? '').join(''), 'You said: Say hello.');
});

test('Gemini: tools, step by step', async () => {
  const question = { role: 'user', parts: [{ text: 'What is the weather in Paris and in Oslo?' }] };
  const first = await google.models.generateContent({ model: gemini, contents: [question], config: { tools: functions } });
  assert.deepEqual(first.functionCalls.map((call) => call.args.city), ['Paris', 'Oslo']);
  const results = first.functionCalls.map((call, index) => ({ functionResponse: { name: call.name, response: { output: `sun ${index}` } } }));
  const second = await google.models.generateContent({
    model: gemini, contents: [question, first.candidates[0].content, { role: 'user', parts: results }], config: { tools: functions },
  });
  assert.equal(second.text, 'Results: sun 0; sun 1');
});

test('Gemini: errors are those of the SDK', async () => {
  await fails(googleAt('aq_wrong').models.generateContent({ model: gemini, contents: 'x' }), ApiError, 401);
  await fails(google.models.generateContent({ model: 'gemini-nowhere', contents: 'x' }), ApiError, 404);
});

await run();
