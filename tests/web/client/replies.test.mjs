import assert from "node:assert/strict";
import test from "node:test";

import { StreamClient } from "../../../daemon/web/client/forgesyte.js";
import { FakeBoard, frame, settled, told } from "./fake.mjs";

test("every frame gets its own reply", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  const replies = [];
  for (let at = 0; at < 3; at += 1) {
    replies.push(client.sendFrame(frame()));
    await board.clock.go(1);
  }
  assert.equal(client.waiting, 3);
  board.result(1, { a: 1 });
  board.drop(2);
  board.result(3, { a: 3 });
  assert.deepEqual(await Promise.all(replies), [
    { frameIndex: 1, result: { a: 1 } },
    { frameIndex: 2, dropped: true },
    { frameIndex: 3, result: { a: 3 } },
  ]);
  assert.deepEqual([client.sent, client.answered, client.dropped, client.waiting, client.bytesSent], [3, 3, 1, 0, 12]);
  assert.deepEqual(told(client, "reply"), await Promise.all(replies));
  assert.deepEqual([told(client, "result").length, told(client, "dropped").length], [2, 1]);
});

test("what has no room is skipped, and said to be", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000, maxWaiting: 2, maxBuffered: 100 });
  const send = async () => {
    await board.clock.go(1);
    return Promise.race([client.sendFrame(frame()), settled()]);
  };
  board.last.bufferedAmount = 101;
  assert.deepEqual(await send(), { skipped: "buffer" });
  board.last.bufferedAmount = 100;
  assert.equal(client.bufferedAmount, 100);
  assert.deepEqual([await send(), await send(), await send()], [undefined, undefined, { skipped: "waiting" }]);
  board.result(1);
  assert.equal(await send(), undefined);
  assert.deepEqual([client.sent, client.skipped], [3, 2]);
});

test("ready waits for whatever is in the way", async () => {
  const board = new FakeBoard();
  const client = board.client({ maxFps: 10, maxWaiting: 1, maxBuffered: 100 });
  assert.equal(await client.ready(), false);
  client.connect();
  let ready = false;
  const wait = () => ((ready = false), client.ready().then((is) => (ready = is)));
  wait();
  await board.clock.go(5000);
  assert.equal(ready, false, "the connection is not there");
  board.accept();
  await settled();
  assert.equal(ready, true);
  client.sendFrame(frame());
  wait();
  await board.clock.go(5000);
  assert.equal(ready, false, "the frame is not answered");
  board.result(1);
  await settled();
  assert.equal(ready, true);
  client.sendFrame(frame());
  board.result(2);
  wait();
  await board.clock.go(99);
  assert.equal(ready, false, "the next is not due");
  board.last.bufferedAmount = 200;
  await board.clock.go(100);
  assert.equal(ready, false, "the socket is full");
  board.last.bufferedAmount = 0;
  await board.clock.go(20);
  assert.equal(ready, true);
  client.sendFrame(frame());
  const last = client.ready();
  client.close();
  assert.equal(await last, false);
  assert.equal(board.clock.timers, 0, "nothing is left behind");
});

test("the iterator gives replies in order, the newest to a slow reader, and ends with the client", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  const ask = async (index) => {
    await board.clock.go(1);
    client.sendFrame(frame());
    board.result(index);
  };
  const [reader, slow, left] = [client.results(), client.results({ limit: 2 }), client.results()];
  const seen = [];
  const reading = (async () => {
    for await (const { frameIndex } of reader) seen.push(frameIndex);
  })();
  for await (const reply of (ask(1), left)) {
    assert.equal(reply.frameIndex, 1);
    break;
  }
  for (let index = 2; index <= 5; index += 1) await ask(index);
  await settled();
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  client.close();
  await reading;
  assert.equal(slow.missed, 3);
  const rest = [];
  for await (const { frameIndex } of slow) rest.push(frameIndex);
  assert.deepEqual(rest, [4, 5], "what was kept is given before the end");
  assert.deepEqual(await left.next(), { value: undefined, done: true });
});

test("the iterator outlives a lost connection, and throws what ended the client", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  const replies = client.results();
  const first = replies.next();
  board.end(1001, "shutting_down");
  await board.clock.go(500);
  board.accept();
  client.sendFrame(frame());
  board.result(1, { again: true });
  assert.deepEqual((await first).value, { frameIndex: 1, result: { again: true } });
  const [second, third] = [replies.next(), replies.next()];
  board.end(1007, "invalid_frame");
  await assert.rejects(second, { code: "invalid_frame" });
  assert.deepEqual(await third, { value: undefined, done: true });
});

test("an iterator of a client that has ended ends at once, or throws why", async () => {
  const board = new FakeBoard();
  const closed = await board.open();
  closed.close();
  assert.deepEqual(await closed.results().next(), { value: undefined, done: true });
  const refused = await board.open();
  board.end(1008, "invalid_pipeline");
  const late = refused.results();
  await assert.rejects(late.next(), { code: "invalid_pipeline" });
  assert.deepEqual(await late.next(), { value: undefined, done: true });
});

for (const [what, message] of [
  ["no JSON", "hello"],
  ["no object", "null"],
  ["a reply that is not due", { frame_index: 7, result: {} }],
  ["a reply without a frame", { result: {} }],
]) {
  test(`${what} ends the connection for good`, async () => {
    const board = new FakeBoard();
    const client = await board.open();
    const reply = client.sendFrame(frame());
    board.say(message);
    await assert.rejects(reply, { code: "protocol_error", retry: false });
    assert.deepEqual([client.state, board.last.closedWith, board.clock.timers], ["closed", 4000, 0]);
  });
}

test("a warning of another kind is passed over", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  board.say({ warning: "something_new" });
  assert.deepEqual([client.state, client.slowdowns], ["open", 0]);
});

for (const [url, options, expected] of [
  ["http://board:8000", {}, "ws://board:8000/ws/video/stream?pipeline_id=scene"],
  ["https://board/", {}, "wss://board/ws/video/stream?pipeline_id=scene"],
  ["ws://board:8000/ws/video/stream?pipeline_id=old&x=1", {}, "ws://board:8000/ws/video/stream?pipeline_id=scene&x=1"],
  ["wss://proxy/boards/one/#here", {}, "wss://proxy/boards/one/ws/video/stream?pipeline_id=scene"],
  ["http://[2001:db8::1]:8000", {}, "ws://[2001:db8::1]:8000/ws/video/stream?pipeline_id=scene"],
  [new URL("http://board"), { pipeline: "a b&c" }, "ws://board/ws/video/stream?pipeline_id=a+b%26c"],
  ["http://board", { token: "s3cret+/=" }, "ws://board/ws/video/stream?pipeline_id=scene&token=s3cret%2B%2F%3D"],
  ["ws://board/?pipeline_id=yard", { pipeline: undefined }, "ws://board/ws/video/stream?pipeline_id=yard"],
]) {
  test(`${url} is ${expected}`, () => {
    const board = new FakeBoard();
    board.client({ url, ...options }).connect();
    assert.equal(board.last.url, expected);
  });
}

test("an address is of the web, a frame is bytes, and a WebSocket is there", async () => {
  const board = new FakeBoard();
  for (const url of [undefined, "board:8000", "board", "", "ftp://board", "file:///board"]) {
    assert.throws(() => board.client({ url }), TypeError, String(url));
  }
  const client = await board.open({ maxFps: 1000 });
  for (const wrong of [undefined, null, "jpeg", {}, 3]) assert.throws(() => client.sendFrame(wrong), TypeError, String(wrong));
  for (const right of [new ArrayBuffer(2), new Blob(["ab"]), new DataView(new ArrayBuffer(2))]) {
    await board.clock.go(1);
    client.sendFrame(right);
    assert.equal(board.last.frames.at(-1), right);
  }
  assert.equal(client.bytesSent, 6);
  assert.throws(() => new StreamClient({ url: "http://board", WebSocket: null }), /option WebSocket/);
});
