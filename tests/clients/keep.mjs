// The official SDKs of OpenAI and Anthropic, unmodified, on what an account keeps: files and batches, through Aquifer.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI, { toFile } from 'openai';
import { collect, fails, key, run, test, url } from './tap.mjs';

const openai = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: 600_000 });
const anthropic = new Anthropic({ apiKey: key, baseURL: url, maxRetries: 0, timeout: 600_000 });
const lines = Buffer.from('{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5.5"}}\n'.repeat(20000));
let file;

test('a file goes up and says its size', async () => {
  file = await openai.files.create({ file: await toFile(lines, 'a.jsonl'), purpose: 'batch' });
  assert.deepEqual([file.bytes, file.purpose, file.status], [lines.length, 'batch', 'processed']);
});

test('it is told of', async () => {
  assert.equal((await openai.files.retrieve(file.id)).bytes, lines.length);
});

test('it comes back byte for byte', async () => {
  const content = await openai.files.content(file.id);
  assert.ok(Buffer.from(await content.arrayBuffer()).equals(lines));
});

test('the list of files, with a page', async () => {
  const page = await openai.files.list({ limit: 10, purpose: 'batch' });
  assert.deepEqual(page.data.map((one) => one.id), [file.id]);
});

test('an unknown file is the vendor\'s 404', async () => {
  const error = await fails(openai.files.retrieve('file-nobodys'), OpenAI.NotFoundError, 404);
  assert.match(error.message, /No such File object/);
});

test('a batch of OpenAI: start, look, cancel', async () => {
  const batch = await openai.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' });
  assert.deepEqual([batch.id, batch.input_file_id], ['batch_1', file.id]);
  assert.equal((await openai.batches.retrieve(batch.id)).usage.total_tokens, 79);
  assert.equal((await openai.batches.cancel(batch.id)).status, 'cancelling');
});

test('the list of batches', async () => {
  assert.ok(Array.isArray((await openai.batches.list({ limit: 5 })).data));
});

test('a file goes', async () => {
  assert.equal((await openai.files.delete(file.id)).deleted, true);
  await fails(openai.files.retrieve(file.id), OpenAI.NotFoundError, 404);
});

test('an upload in parts', async () => {
  const upload = await openai.uploads.create({ bytes: 10, filename: 'a', mime_type: 'text/plain', purpose: 'assistants' });
  await openai.uploads.parts.create(upload.id, { data: await toFile(Buffer.from('0123456789'), 'part') });
  assert.equal((await openai.uploads.complete(upload.id, { part_ids: ['part_1'] })).id, 'upload_1');
});

const params = { model: 'claude-opus-5', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] };

test('a batch of Anthropic: start, look, cancel', async () => {
  const batch = await anthropic.messages.batches.create({ requests: [{ custom_id: 'a', params }, { custom_id: 'b', params }] });
  assert.deepEqual([batch.id, batch.asked], ['msgbatch_1', 2]);
  assert.equal((await anthropic.messages.batches.retrieve(batch.id)).processing_status, 'ended');
  assert.equal((await anthropic.messages.batches.cancel(batch.id)).processing_status, 'canceling');
});

test('the list of Anthropic\'s batches', async () => {
  assert.ok(Array.isArray((await anthropic.messages.batches.list({ limit: 5 })).data));
});

test('a file of Anthropic\'s', async () => {
  const made = await anthropic.beta.files.upload({ file: await toFile(Buffer.from('hello'), 'a.txt'), betas: ['files-api-2025-04-14'] });
  assert.equal(made.bytes, 5);
});

test('a wrong key opens nothing', async () => {
  const stranger = new OpenAI({ apiKey: 'aq_wrong', baseURL: `${url}/v1`, maxRetries: 0 });
  await fails(stranger.files.list(), OpenAI.AuthenticationError, 401);
  assert.equal((await collect(['whole'])).length, 1);
});

await run();
