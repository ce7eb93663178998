import assert from "node:assert/strict";
import test from "node:test";

import { StreamClient } from "../../../daemon/web/client/forgesyte.js";
import { FakeBoard, frame, settled, told } from "./fake.mjs";

const RETRIED = ["too_many_sessions", "pipeline_failure", "internal_error", "shutting_down"];
const CODES = {
  invalid_pipeline: 1008, too_many_sessions: 1013, invalid_message: 1003, invalid_frame: 1007, frame_too_large: 1009,
  pipeline_failure: 1011, internal_error: 1011, unauthorized: 1008, shutting_down: 1001, not_found: 1008,
};

for (const [code, closeCode] of Object.entries(CODES)) {
  const again = RETRIED.includes(code);
  test(`${code} is told, and ${again ? "tried again" : "final"}`, async () => {
    const board = new FakeBoard();
    const client = await board.open();
    const reply = client.sendFrame(frame());
    board.end(closeCode, code);
    await assert.rejects(reply, { name: "StreamError", code, detail: "A test says so.", closeCode, retry: again });
    assert.equal(client.state, again ? "reconnecting" : "closed");
    assert.equal(client.lastError.code, code);
    assert.equal(client.lastError.meaning, StreamClient.errors[code].meaning);
    const [closed] = told(client, "close");
    assert.deepEqual([closed.code, closed.final, closed.error], [closeCode, !again, client.lastError]);
    assert.deepEqual(told(client, "error"), [client.lastError]);
    await board.clock.go(60_000);
    assert.equal(board.sockets.length > 1, again);
  });
}

for (const [closeCode, again] of [[1000, false], [1001, true], [1002, false], [1005, false], [1006, true], [1008, false], [1011, true], [1012, true], [1013, true], [4000, false]]) {
  test(`close ${closeCode} without an error is ${again ? "tried again" : "final"}`, async () => {
    const board = new FakeBoard();
    const client = await board.open();
    board.end(closeCode);
    assert.equal(client.state, again ? "reconnecting" : "closed");
    assert.equal(client.lastError.code, again ? "connection_lost" : "connection_closed");
  });
}

test("an error that this client does not know is judged by its close code", async () => {
  for (const [closeCode, again] of [[1013, true], [1008, false]]) {
    const board = new FakeBoard();
    const client = await board.open();
    board.end(closeCode, "of_tomorrow");
    assert.deepEqual([client.lastError.code, client.lastError.retry], ["of_tomorrow", again]);
    assert.equal(client.state, again ? "reconnecting" : "closed");
  }
});

test("tries come after half a second, then twice as long each, ten seconds at most", async () => {
  const delays = async (random) => {
    const board = new FakeBoard();
    const client = board.client({ random: () => random });
    client.connect();
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      board.end(1006);
      const { delay, attempt: counted } = told(client, "reconnecting").at(-1);
      assert.equal(counted, attempt);
      const before = board.sockets.length;
      await board.clock.go(delay - 1);
      assert.equal(board.sockets.length, before, "not before its time");
      await board.clock.go(1);
      assert.equal(board.sockets.length, before + 1);
      assert.equal(client.state, "connecting");
    }
    return told(client, "reconnecting").map(({ delay }) => delay);
  };
  assert.deepEqual(await delays(1), [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  assert.deepEqual(await delays(0), [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test("a reply, or a connection that lasted, begins the tries anew; being let in does not", async () => {
  const lastDelay = async (live) => {
    const board = new FakeBoard();
    const client = board.client({ replyTimeout: 0 });
    client.connect();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      board.end(1006);
      await board.clock.go(10_000);
    }
    board.accept();
    await live(board, client);
    board.end(1013, "too_many_sessions");
    return told(client, "reconnecting").at(-1).delay;
  };
  assert.equal(await lastDelay(() => {}), 8000);
  assert.equal(await lastDelay((board) => board.clock.go(10_000)), 500);
  const answered = (board, client) => {
    client.sendFrame(frame());
    board.result(1);
  };
  assert.equal(await lastDelay(answered), 500);
});

test("connect waits for the first connection, however often it fails", async () => {
  const board = new FakeBoard();
  const client = board.client();
  let connected = false;
  const connecting = client.connect().then(() => (connected = true));
  assert.deepEqual([client.state, board.sockets.length], ["connecting", 1]);
  board.end(1006);
  await board.clock.go(500);
  assert.deepEqual([connected, client.state], [false, "connecting"]);
  client.connect();
  assert.equal(board.sockets.length, 2, "it is being tried already");
  board.accept();
  await connecting;
  assert.deepEqual([client.state, client.lastError], ["open", undefined]);
  await client.connect();
  assert.equal(board.sockets.length, 2, "it is open already");
});

test("connect while waiting for the next try tries at once", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  board.end(1001, "shutting_down");
  const connecting = client.connect();
  assert.deepEqual([client.state, board.sockets.length], ["connecting", 2]);
  board.accept();
  await connecting;
  await board.clock.go(60_000);
  assert.equal(board.sockets.length, 2, "the try that was planned is off");
});

test("without reconnecting, a loss is final and connect may be called again", async () => {
  const board = new FakeBoard();
  const client = board.client({ reconnect: false });
  const connecting = client.connect();
  board.end(1006);
  await assert.rejects(connecting, { code: "connection_lost" });
  assert.deepEqual([client.state, board.clock.timers], ["closed", 0]);
  const again = client.connect();
  board.accept();
  await again;
  assert.equal(client.state, "open");
});

test("who connects anew at the news of an end is not ended by it", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  const old = client.results();
  let again, replies;
  client.addEventListener("state", ({ detail }) => {
    if (detail.state !== "closed") return;
    again = client.connect();
    replies = client.results();
  });
  board.end(1008, "invalid_pipeline");
  assert.equal(client.state, "connecting");
  assert.deepEqual([told(client, "error"), told(client, "close")], [[], []], "that is no news any more");
  board.accept();
  await again;
  await assert.rejects(old.next(), { code: "invalid_pipeline" });
  client.sendFrame(frame());
  board.result(1);
  assert.equal((await replies.next()).value.frameIndex, 1);
});

test("close is final and quiet: no error, no timer, nothing that the old socket says", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  const reply = client.sendFrame(frame());
  const socket = board.last;
  client.close();
  await assert.rejects(reply, { code: "closed" });
  assert.equal(socket.closedWith, 1000);
  assert.deepEqual([socket.onmessage, socket.onclose], [null, null]);
  assert.deepEqual([client.state, board.clock.timers], ["closed", 0]);
  assert.deepEqual(told(client, "error"), []);
  assert.equal(told(client, "close").length, 1);
  await assert.rejects(client.sendFrame(frame()), { code: "not_connected" });
  client.close();
  assert.equal(told(client, "close").length, 1, "once");
  await board.clock.go(60_000);
  assert.equal(board.sockets.length, 1);
});

test("close in the middle of connecting, and between two tries", async () => {
  const board = new FakeBoard();
  for (const reach of [() => {}, () => board.end(1006)]) {
    const client = board.client();
    const connecting = client.connect();
    reach();
    client.close();
    await assert.rejects(connecting, { code: "closed" });
    assert.deepEqual([client.state, board.clock.timers], ["closed", 0]);
  }
});

test("a board that does not take the connection, or falls silent, counts as lost", async () => {
  const board = new FakeBoard();
  const client = board.client({ maxFps: 1000 });
  client.connect();
  await board.clock.go(10_000);
  assert.deepEqual([client.state, client.lastError.detail], ["reconnecting", "No connection in time."]);
  await board.clock.go(500);
  board.accept();
  await board.clock.go(600_000);
  assert.equal(client.state, "open", "nothing is due from it");
  const replies = [client.sendFrame(frame())];
  await board.clock.go(20_000);
  replies.push(client.sendFrame(frame()));
  board.result(1);
  await board.clock.go(29_000);
  assert.equal(client.state, "open", "each reply begins the wait anew");
  await board.clock.go(1000);
  await assert.rejects(replies[1], { code: "connection_lost", detail: "No reply in time." });
  assert.equal(client.state, "reconnecting");
});

test("an error whose close never comes ends the connection all the same", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  board.say({ error: "invalid_frame", detail: "A test says so." });
  await board.clock.go(5000);
  assert.deepEqual([client.state, client.lastError.code], ["closed", "invalid_frame"]);
});

test("an old error does not explain a new loss", async () => {
  const board = new FakeBoard();
  const client = await board.open();
  board.end(1001, "shutting_down");
  await board.clock.go(500);
  board.end(1006);
  assert.equal(client.lastError.code, "connection_lost");
});

test("while the connection is made anew, frames are skipped and numbering begins again", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  const lost = client.sendFrame(frame());
  board.end(1006);
  await assert.rejects(lost, { code: "connection_lost" });
  assert.deepEqual(await client.sendFrame(frame()), { skipped: "connecting" });
  await board.clock.go(500);
  assert.deepEqual(await client.sendFrame(frame()), { skipped: "connecting" });
  board.accept();
  const reply = client.sendFrame(frame());
  board.result(1);
  assert.equal((await reply).frameIndex, 1);
  assert.deepEqual([client.sent, client.answered, client.waiting], [2, 1, 0]);
});

test("a connection that the browser refuses to begin is final", async () => {
  class Refusing {
    constructor() {
      throw new DOMException("An insecure WebSocket connection may not be initiated.", "SecurityError");
    }
  }
  const client = new FakeBoard().client({ WebSocket: Refusing });
  await assert.rejects(client.connect(), { code: "not_allowed", detail: /insecure/ });
  assert.equal(client.state, "closed");
});

test("nobody has to handle a reply that never comes", async () => {
  const surprises = [];
  const listen = (reason) => surprises.push(reason);
  process.on("unhandledRejection", listen);
  const board = new FakeBoard();
  const client = await board.open();
  client.sendFrame(frame());
  board.end(1007, "invalid_frame");
  client.sendFrame(frame());
  client.connect();
  client.close();
  await settled();
  await settled();
  process.off("unhandledRejection", listen);
  assert.deepEqual(surprises, []);
});

test("hours of a board that comes and goes leave nothing behind", async () => {
  const board = new FakeBoard();
  const client = await board.open({ maxFps: 1000 });
  for (let round = 0; round < 1000; round += 1) {
    client.sendFrame(frame());
    board.result(1);
    board.end(1006);
    assert.ok(board.clock.timers <= 1);
    await board.clock.go(500);
    board.accept();
  }
  assert.deepEqual([client.state, client.waiting, client.answered], ["open", 0, 1000]);
  assert.ok(board.sockets.slice(0, -1).every((socket) => socket.onmessage === null));
});
