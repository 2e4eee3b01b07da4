// TAP for the client tests, and the environment they are told to work in (tests/e2e/test_clients.py sets it, and build/run.env).
import assert from 'node:assert/strict';

export const url = process.env.AQUIFER_URL;
export const key = process.env.AQUIFER_API_KEY;
export const model = process.env.AQUIFER_MODEL;
// Behind Aquifer is the strict fake: answers are known to the letter. Otherwise it is a real model, and only shapes can be checked.
export const exact = process.env.AQUIFER_EXACT === '1';
// The provider behind Aquifer speaks the other vendor's format.
export const crossed = process.env.AQUIFER_CROSSED === '1';
export const uncounted = crossed && process.env.AQUIFER_COUNTS !== '1'; // no provider of another format has a call for it

const tests = [];
export const test = (title, run) => tests.push([title, run]);
// For tests of tools: a small model calls one reliably only when it must.
const callsTools = exact || process.env.AQUIFER_TOOLS === '1';
export const toolTest = (title, run) => (callsTools ? test(title, run) : test(`${title} # SKIP this model calls no tools`, () => {}));
export const exactTest = (title, run) => exact && test(title, run);

// A fetch that counts what the SDK really sends, retries included.
export function countingFetch() {
  const counting = (...args) => (counting.calls++, fetch(...args));
  counting.calls = 0;
  return counting;
}

export async function fails(promise, kind, status) {
  const error = await promise.then(() => null, (thrown) => thrown);
  assert.ok(error instanceof kind, `wanted ${kind.name}, got ${error?.constructor?.name}: ${error?.message}`);
  if (status !== undefined) assert.equal(error.status, status);
  return error;
}

export async function collect(stream) {
  const all = [];
  for await (const event of stream) all.push(event);
  return all;
}

export async function run() {
  console.log(`1..${tests.length}`);
  let number = 0;
  let failed = 0;
  for (const [title, body] of tests) {
    number++;
    try {
      await body();
      console.log(`ok ${number} - ${title}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${number} - ${title}`);
      console.log(String(error.stack ?? error).replace(/^/gm, '# '));
    }
  }
  process.exit(failed ? 1 : 0);
}
