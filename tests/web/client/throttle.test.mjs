import assert from "node:assert/strict";
import test from "node:test";

import { FPSThrottler } from "../../../daemon/web/client/forgesyte.js";

/** Which of these moments, in milliseconds, a frame is sent at. */
function sentAt(maxFps, moments) {
  let now;
  const throttler = new FPSThrottler(maxFps, () => now);
  return moments.filter((moment) => {
    now = moment;
    let called = false;
    const returned = throttler.throttle(() => (called = true));
    assert.equal(returned, called, `it says whether it called, at ${moment}`);
    return called;
  });
}

const ticks = (interval, count, start = 0) => Array.from({ length: count }, (_, at) => start + at * interval);

for (const [name, maxFps, moments, expected] of [
  ["the first is due at once", 10, [0], [0]],
  ["whatever the clock shows", 10, [123456], [123456]],
  ["an interval later the next is", 10, [0, 50, 99.9, 100, 150, 200], [0, 100, 200]],
  ["after a pause one is due, and no burst", 10, [0, 1050, 1060, 1140, 1150], [0, 1050, 1150]],
  ["a little late puts off nothing that follows", 10, [0, 110, 200, 305, 400], [0, 110, 200, 305, 400]],
  ["a beat that is no multiple keeps near the rate", 40, ticks(10, 11), [0, 30, 50, 80, 100]],
  ["a clock that is set back holds nothing up", 10, [5000, 5050, 100, 150, 200], [5000, 100, 200]],
  ["a clock that jumps ahead gives one frame", 10, [0, 1e9, 1e9 + 50, 1e9 + 100], [0, 1e9, 1e9 + 100]],
  ["less than one a second", 0.5, [0, 1000, 1999, 2000], [0, 2000]],
]) {
  test(name, () => assert.deepEqual(sentAt(maxFps, moments), expected));
}

test("the rate is met by a display's beat, and never exceeded over a second", () => {
  for (const [beat, maxFps] of [[1000 / 60, 30], [1000 / 59.94, 30], [1000 / 60, 24], [1000 / 144, 30], [4, 30], [1000 / 60, 60]]) {
    // Callbacks come up to a millisecond late.
    const moments = ticks(beat, Math.floor(10_000 / beat)).map((moment, at) => moment + ((at * 7919) % 100) / 100);
    const sent = sentAt(maxFps, moments);
    assert.ok(sent.length >= maxFps * 10 * 0.75 && sent.length <= maxFps * 10 + 1, `${sent.length} frames at ${maxFps} by ${beat}`);
    for (const [at, from] of sent.entries()) {
      const within = sent.slice(at).filter((moment) => moment < from + 1000).length;
      assert.ok(within <= maxFps + 1, `${within} frames in a second at ${maxFps} by ${beat}`);
    }
  }
});

test("another rate counts from the last frame", () => {
  let now = 0;
  const throttler = new FPSThrottler(10, () => now);
  const due = (moment) => ((now = moment), throttler.throttle(() => {}));
  assert.ok(due(0));
  throttler.setMaxFps(2);
  assert.deepEqual([due(100), due(499), due(500)], [false, false, true]);
  throttler.setMaxFps(20);
  assert.deepEqual([due(549), due(550)], [false, true]);
});

test("the wait is told without a frame being taken", () => {
  let now = 0;
  const throttler = new FPSThrottler(10, () => now);
  assert.equal(throttler.wait, 0);
  throttler.throttle(() => {});
  now = 30;
  assert.deepEqual([throttler.wait, throttler.wait], [70, 70]);
});

test("a rate is a number above 0", () => {
  for (const wrong of [0, -1, NaN, Infinity, undefined, null, "fast"]) {
    assert.throws(() => new FPSThrottler(wrong), RangeError, String(wrong));
  }
});

test("a callback that throws has had its turn", () => {
  let now = 0;
  const throttler = new FPSThrottler(10, () => now);
  assert.throws(() => throttler.throttle(() => { throw new Error("mine"); }), /mine/);
  now = 50;
  assert.equal(throttler.throttle(() => {}), false);
});
