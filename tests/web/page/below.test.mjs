// The page and the client module below a path of a proxy: every address starts from there.

import assert from "node:assert/strict";
import test from "node:test";

import { BASE, eventually, extent, FILES, open, stream, waitFrames, waitState, waitText } from "./harness.mjs";

const TOKEN = "s3cret+/=";

test("every source is streamed below a proxy's path, and nothing is asked for above it", async () => {
  const asked = [];
  const { page, close } = await open({
    expected: /401/,
    prepare: (page) => {
      page.on("request", (request) => asked.push(request.url()));
      page.on("websocket", (socket) => asked.push(socket.url()));
    },
  });
  await page.fill("dialog input", TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("[name=pipeline]").options.length > 0);
  await stream(page, { pipeline: "finder" });
  await waitFrames(page, 5);
  await stream(page, { source: "file", file: `${FILES}/square.jpg`, pipeline: "finder" });
  await waitText(page, "#summary", "1 × square");
  assert.ok(await extent(page, "#picture", [255, 255, 255]));
  await page.click("#start");
  await stream(page, { source: "board" });
  await waitState(page, "Showing yard");
  await waitText(page, "#summary", "1 × square");
  const prefix = new URL(BASE).pathname;
  assert.equal(prefix, "/board7/");
  const above = asked.filter((url) => !url.startsWith("blob:") && !new URL(url).pathname.startsWith(prefix));
  assert.deepEqual(above, []);
  for (const part of ["page/app.js", "page/encoder.js", "client/forgesyte.js", "v1/board", "ws/video/stream", "ws/watch", "stream.mjpeg"]) {
    assert.ok(asked.some((url) => url.includes(part)), part);
  }
  assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), ["forgesyted.token@/board7/"], "apart from other boards of the host");
  await close();
});

test("the client module finds the board that it came from", async () => {
  const { page, close } = await open({ expected: /401/ });
  const opened = await page.evaluate(async (token) => {
    const { StreamClient } = await import(new URL("client/forgesyte.js", location.href));
    const client = new StreamClient({ pipeline: "noop", token });
    client.connect();
    await client.ready();
    const { state } = client;
    client.close();
    return state;
  }, TOKEN);
  assert.equal(opened, "open");
  await eventually("the end", async () => {
    const list = await fetch(`${BASE}v1/sessions`, { headers: { Authorization: `Bearer ${TOKEN}` } });
    return (await list.json()).sessions.every(({ source }) => source === "camera");
  });
  await close();
});
