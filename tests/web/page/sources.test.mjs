// Every source is streamed, and each result is drawn on the frame that it belongs to.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import test from "node:test";

import { BASE, FILES, eventually, extent, figure, open, shoot, stream, waitFrames, waitState, waitText } from "./harness.mjs";

/** The colour of class 3, in which the finder's boxes are drawn. */
const COLOUR = [0xff, 0x38, 0x64];
const WHITE = [255, 255, 255];

test("this device's camera is streamed, and says what it costs", async (t) => {
  const { page, close } = await open();
  await page.evaluate(() => {
    document.getElementById("start").addEventListener("click", () => {
      const from = performance.now();
      new MutationObserver((_, observer) => {
        document.body.dataset.first = performance.now() - from;
        observer.disconnect();
      }).observe(document.getElementById("summary"), { childList: true });
    });
  });
  assert.equal(await page.inputValue("[name=pipeline]"), "finder", "the first that looks at frames is chosen");
  await stream(page, { pipeline: "scene" });
  await waitFrames(page, 10);
  t.diagnostic(`the first result came ${Math.round(await page.evaluate(() => document.body.dataset.first))} ms after Start`);
  await waitState(page, "Streaming");
  assert.match(await figure(page, "values", "verdict"), /^[a-z]+$/);
  for (const name of ["Sent a second", "Answered"]) {
    await eventually(name, async () => Number(await figure(page, "rates", name)) > 0);
  }
  await eventually("the board's state", async () => (await figure(page, "rates", "Backpressure")) === "normal");
  assert.match(await figure(page, "rates", "Reply p50"), /^[\d.]+ m?s$/);
  assert.match(await figure(page, "rates", "Data sent"), /^[\d.]+ [kM]B$/);
  assert.equal(await figure(page, "board", "Cameras up"), "2 of 2");
  await eventually("its own session among the board's", async () => (await figure(page, "board", "Sessions")) === "1");
  assert.ok((await page.locator("[name=device] option").allTextContents()).some((name) => name.startsWith("fake_device")));
  // Another width takes another stream: a camera that was opened for a small one has no more.
  for (const width of [320, 640]) {
    await page.selectOption("[name=width]", String(width));
    await eventually(`frames ${width} wide`, () => page.evaluate((width) => document.getElementById("picture").width === width, width));
  }
  assert.equal(await page.textContent("#quality-now"), "80");
  const fine = await frameBytes(page);
  await page.locator("[name=quality]").fill("30");
  assert.equal(await page.textContent("#quality-now"), "30");
  const coarse = await frameBytes(page);
  assert.ok(coarse < fine * 0.8, `a frame has ${fine} bytes, and ${coarse} of low quality`);
  await page.click("#start");
  await waitState(page, "Not streaming");
  await eventually("the session's end", async () => (await (await fetch(`${BASE}/v1/sessions`)).json()).sessions.length === 1);
  await close();
});

/** The size of a frame that is sent from now on. */
async function frameBytes(page) {
  const socket = await page.context().newCDPSession(page);
  await socket.send("Network.enable");
  await waitFrames(page, 2);
  const { response } = await new Promise((resolve) => socket.once("Network.webSocketFrameSent", resolve));
  await socket.detach();
  return response.payloadData.length;
}

for (const density of [1, 2, 3]) {
  test(`a box lies on its pixels, sharp at ${density} pixels a point`, async () => {
    const { page, close } = await open({ options: { deviceScaleFactor: density } });
    await stream(page, { source: "file", file: `${FILES}/square.jpg`, pipeline: "finder" });
    await waitFrames(page, 1);
    await waitText(page, "#summary", "1 × square");
    const found = await extent(page, "#picture", WHITE);
    assert.ok(Math.abs(found.left - 100) <= 1 && Math.abs(found.right - 219) <= 1, JSON.stringify(found));
    // Below its label, the drawn box; its line is two points wide.
    const drawn = await extent(page, "#overlay", COLOUR, 20);
    const stage = await page.evaluate(() => {
      const { clientWidth, clientHeight } = document.getElementById("overlay");
      return { width: clientWidth, height: clientHeight, pixels: document.getElementById("overlay").width };
    });
    assert.equal(stage.pixels, stage.width * density, "as many pixels as the screen has");
    const scale = Math.min(stage.width / 320, stage.height / 240);
    const place = (x, y) => [
      ((stage.width - 320 * scale) / 2 + x * scale) * density,
      ((stage.height - 240 * scale) / 2 + y * scale) * density,
    ];
    const near = (value, wanted) => assert.ok(Math.abs(value - wanted) <= 2 * density + scale, `${value} for ${wanted}`);
    const [left] = place(100, 60);
    const [right, bottom] = place(220, 180);
    near(drawn.left, left);
    near(drawn.right, right);
    near(drawn.bottom, bottom);
    await close();
  });
}

test("each result is drawn on its own frame, also when frames have gone on", async () => {
  const { page, close } = await open({ flags: [`--use-file-for-fake-video-capture=${FILES}/moving.mjpeg`] });
  await page.selectOption("[name=width]", "320");
  await stream(page, { pipeline: "slow-finder", fps: 30 });
  await waitFrames(page, 5);
  const places = new Set();
  const deadline = Date.now() + 60_000;
  while (places.size < 8 && Date.now() < deadline) {
    const [frame, square, box] = await page.evaluate(
      async ([find, white, colour]) => {
        // In one step, between two frames: what a person sees at one moment.
        const extentOf = new Function(`return ${find}`)();
        const [red, green, blue] = white;
        const [r, g, b] = colour;
        return [
          document.getElementById("summary").textContent,
          extentOf({ canvas: "#picture", red, green, blue, tolerance: 90 }),
          extentOf({ canvas: "#overlay", red: r, green: g, blue: b, tolerance: 20 }),
        ];
      },
      [await findExtentSource(), WHITE, COLOUR],
    );
    if (!square || !box) continue;
    const scale = await page.evaluate(() => {
      const overlay = document.getElementById("overlay");
      const picture = document.getElementById("picture");
      const scale = Math.min(overlay.width / picture.width, overlay.height / picture.height);
      return { scale, left: (overlay.width - picture.width * scale) / 2 };
    });
    const left = (box.left - scale.left) / scale.scale;
    assert.ok(Math.abs(left - square.left) <= 3, `${frame}: a box at ${left} around a square at ${square.left}`);
    places.add(square.left);
  }
  assert.ok(places.size >= 8, `the square was seen in ${places.size} places`);
  await close();
});

async function findExtentSource() {
  return (await import("./harness.mjs")).findExtent.toString();
}

test("a video file is streamed, again and again", async () => {
  const { page, close } = await open();
  // Made by the browser itself: it is sure to play that.
  const made = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let at = 0; at < 40; at += 1) {
      context.fillStyle = "#101010";
      context.fillRect(0, 0, 320, 240);
      context.fillStyle = "#fff";
      context.fillRect(20 + at * 4, 60, 80, 80);
      await new Promise((resolve) => setTimeout(resolve, 33));
    }
    recorder.stop();
    await stopped;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return Array.from(bytes);
  });
  writeFileSync(`${FILES}/clip.webm`, Buffer.from(made));
  await stream(page, { source: "file", file: `${FILES}/clip.webm`, pipeline: "finder", fps: 30 });
  await waitText(page, "#summary", "1 × square");
  // More frames than the clip has: it goes on from its beginning.
  await waitFrames(page, 60);
  await close();
});

test("a picture that is dropped on the stage is streamed", async () => {
  const { page, close } = await open();
  await page.selectOption("[name=pipeline]", "finder");
  const bytes = Array.from(readFileSync(`${FILES}/square.jpg`));
  await page.evaluate((bytes) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(bytes)], "square.jpg", { type: "image/jpeg" }));
    document.getElementById("stage").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, bytes);
  await waitText(page, "#summary", "1 × square");
  assert.equal(await page.locator("[name=source][value=file]").isChecked(), true);
  await close();
});

test("a camera of the board is shown with its results", async () => {
  const { page, close } = await open();
  await page.locator("#board-source:not([disabled])").waitFor({ state: "attached" });
  await stream(page, { source: "board" });
  await waitState(page, "Showing yard");
  await waitText(page, "#summary", "1 × square");
  await waitText(page, "#camera-state", "runs finder");
  const shown = await page.evaluate(() => document.querySelector("#stage > img").naturalWidth);
  assert.equal(shown, 320);
  await shoot(page, "board-camera");
  await page.click("#start");
  await eventually("the picture's end", () => page.evaluate(() => document.querySelector("#stage > img") === null));
  await close();
});

test("a camera of the board that runs no pipeline gives its pictures", async () => {
  const { page, close } = await open();
  await page.locator("#board-source:not([disabled])").waitFor({ state: "attached" });
  await page.locator("[name=source][value=board]").check({ force: true });
  await page.selectOption("[name=camera]", "zone");
  await page.click("#start");
  await waitState(page, "Showing zone");
  await waitText(page, "#camera-state", "runs no pipeline");
  assert.equal(await page.evaluate(() => document.querySelector("#stage > img").naturalWidth), 320);
  await close();
});

test("a camera of the board that cannot be watched: the board's own words, and Retry", async () => {
  // The first watch is one of a camera that is not there, which the board refuses.
  const prepare = (page) => page.addInitScript(() => {
    let watches = 0;
    const Real = WebSocket;
    globalThis.WebSocket = class extends Real {
      constructor(url) {
        const first = url.includes("/ws/watch") && (watches += 1) === 1;
        super(first ? url.replace("camera=yard", "camera=nosuch") : url);
      }
    };
  });
  const { page, close } = await open({ prepare });
  await page.locator("#board-source:not([disabled])").waitFor({ state: "attached" });
  await stream(page, { source: "board" });
  await waitText(page, "[role=alert] code", "not_found");
  await waitText(page, "[role=alert]", "The board has nothing of this name to watch.");
  await waitText(page, "[role=alert]", "this device has yard, zone");
  await waitState(page, "Not streaming");
  await page.getByRole("button", { name: "Retry" }).click();
  await waitState(page, "Showing yard");
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("choosing a file while streaming, before there is one, ends the stream quietly", async () => {
  const { page, close } = await open();
  await stream(page, { pipeline: "finder" });
  await waitFrames(page, 3);
  await page.locator("[name=source][value=file]").check({ force: true });
  await waitState(page, "Not streaming");
  assert.equal(await page.getByRole("alert").count(), 0);
  await page.setInputFiles("[name=file]", `${FILES}/square.jpg`);
  await waitState(page, "Streaming");
  await close();
});

test("choices are kept, and used by keyboard alone", async () => {
  const { page, close } = await open();
  await page.locator("[name=source][value=camera]").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("[name=source][value=file]").isChecked(), true);
  await page.keyboard.press("ArrowLeft");
  await page.locator("[name=pipeline]").focus();
  await page.selectOption("[name=pipeline]", "scene");
  await page.locator("#start").focus();
  await page.keyboard.press("Enter");
  await waitFrames(page, 3);
  await page.keyboard.press("Enter");
  await waitState(page, "Not streaming");
  await page.reload();
  await page.waitForFunction(() => document.querySelector("[name=pipeline]").value === "scene");
  await close();
});
