import assert from "node:assert/strict";
import test from "node:test";

import { FakeBoard, frame, settled, told } from "./fake.mjs";

/** Sends a frame a beat for a while; the board answers each at once by `answer`. */
async function stream(board, client, milliseconds, answer = (index) => board.result(index), beat = 10) {
  for (let passed = 0; passed < milliseconds; passed += beat) {
    if (client.canSend()) {
      client.sendFrame(frame());
      answer(board.last.frames.length);
    }
    await board.clock.go(beat);
  }
}

test("frames that come before they are due are not sent", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 10 });
  await stream(board, client, 1000);
  assert.equal(client.sent, 10);
  const replies = await Promise.all([client.sendFrame(frame()), client.sendFrame(frame())].map((sent) => Promise.race([sent, settled()])));
  assert.deepEqual(replies, [undefined, { skipped: "rate" }], "one is sent, and has no answer yet");
  assert.deepEqual([client.sent, client.skipped], [11, 1]);
});

test("slow_down halves the rate, once for what was sent until then", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  const slowDown = () => board.say({ warning: "slow_down" });
  client.sendFrame(frame());
  await board.clock.go(40);
  client.sendFrame(frame());
  slowDown();
  assert.equal(client.fps, 15);
  board.result(1);
  board.drop(2);
  // The drop was of a frame from before: the notice repeats what is known.
  slowDown();
  assert.equal(client.fps, 15);
  await board.clock.go(1000);
  client.sendFrame(frame());
  board.drop(3);
  slowDown();
  assert.equal(client.fps, 7.5);
  assert.equal(client.slowdowns, 3);
  assert.deepEqual(told(client, "slowdown"), [{ fps: 15 }, { fps: 15 }, { fps: 7.5 }]);
  assert.deepEqual(told(client, "ratechange"), [{ fps: 15 }, { fps: 7.5 }]);
});

test("the rate does not fall below one a second, nor below a lower maximum", async () => {
  for (const [maxFps, least] of [[30, 1], [0.5, 0.5]]) {
    const board = new FakeBoard();
    const client = await board.open({ maxFps });
    for (let index = 1; index <= 20; index += 1) {
      await board.clock.go(2000);
      client.sendFrame(frame());
      board.drop(index);
      board.say({ warning: "slow_down" });
    }
    assert.equal(client.fps, least);
  }
});

test("the rate climbs back slowly while nothing is dropped, and waits after a drop", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 20 });
  await stream(board, client, 500);
  board.say({ warning: "slow_down" });
  assert.equal(client.fps, 10);
  await stream(board, client, 1900);
  assert.equal(client.fps, 10, "quiet first");
  await stream(board, client, 3000);
  assert.ok(client.fps > 12 && client.fps < 14, `a frame a second more each second: ${client.fps}`);
  const before = client.fps;
  await stream(board, client, 500, (index) => board.drop(index));
  await stream(board, client, 1500);
  assert.equal(client.fps, before, "a drop holds it where it is");
  await stream(board, client, 60_000);
  assert.equal(client.fps, 20, "up to the maximum and no further");
  assert.deepEqual(told(client, "ratechange").at(-1), { fps: 20 });
  assert.ok(told(client, "ratechange").length < 40, "steps worth showing, and not each");
});

test("a pause or a clock that jumps is worth no more than a second of climbing", async () => {
  for (const jump of [3_600_000, -500_000]) {
    const board = new FakeBoard();
    const client = await board.open({ maxFps: 20 });
    client.sendFrame(frame());
    board.say({ warning: "slow_down" });
    board.result(1);
    board.clock.time += jump;
    client.sendFrame(frame());
    board.result(2);
    assert.ok(client.fps <= 11, `${client.fps} after ${jump}`);
    await stream(board, client, 5000);
    assert.ok(client.fps > 10 && client.fps < 16.5, `it goes on from there: ${client.fps}`);
  }
});

test("a client that is told not to adapt does not", async () => {
  const board = new FakeBoard();
  const client = await board.open({ adaptRate: false });
  board.say({ warning: "slow_down" });
  assert.equal(client.fps, 30);
  assert.deepEqual(told(client, "slowdown"), [{ fps: 30 }]);
  assert.deepEqual(told(client, "ratechange"), []);
});

test("on a board of limited speed the rate settles near that speed", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 30 });
  // The board runs ten frames a second and drops what comes between; with many drops among the last hundred, it says so once
  // a second, as forgesyted does.
  const recent = [];
  let free = 0, said = 0;
  const answer = (index) => {
    const drop = board.clock.time < free;
    if (!drop) free = board.clock.time + 95;
    recent.push(drop);
    if (recent.length > 100) recent.shift();
    const rate = recent.filter(Boolean).length / recent.length;
    if (recent.length >= 10 && rate > 0.3 && board.clock.time - said >= 1000) {
      said = board.clock.time;
      board.say({ warning: "slow_down" });
    }
    drop ? board.drop(index) : board.result(index);
  };
  await stream(board, client, 120_000, answer);
  const [sent, dropped] = [client.sent, client.dropped];
  await stream(board, client, 60_000, answer);
  const [rate, drops] = [(client.sent - sent) / 60, (client.dropped - dropped) / (client.sent - sent)];
  assert.ok(rate > 5 && rate < 15, `${rate} frames a second`);
  assert.ok(drops < 0.35, `${drops} dropped`);
});
