// Whatever a person, a browser or a model does: the page says what is the matter, and goes on.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import test from "node:test";

import { BASE, FILES, eventually, figure, open, shoot, stream, waitFrames, waitState, waitText } from "./harness.mjs";

const SQUARE = `${FILES}/square.jpg`;

/** The banner says this, and that there is Retry. */
async function refused(page, title) {
  await waitText(page, "[role=alert]", title);
  await waitState(page, "Not streaming");
  assert.equal(await page.getByRole("button", { name: "Retry" }).count(), 1);
}

test("a camera that is not permitted", async () => {
  const { page, close } = await open({ flags: ["--deny-permission-prompts"] });
  await stream(page, { pipeline: "finder" });
  await refused(page, "The camera was not permitted.");
  // Another source still works.
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("a camera that is taken away", async () => {
  const { page, close } = await open();
  await stream(page, { pipeline: "finder" });
  await waitFrames(page, 3);
  await page.evaluate(() => {
    const [track] = document.querySelector("#stage > video").srcObject.getTracks();
    track.stop();
    // Stopping it oneself tells nobody; unplugging it does.
    track.dispatchEvent(new Event("ended"));
  });
  await refused(page, "The camera was taken away.");
  await page.getByRole("button", { name: "Retry" }).click();
  await waitFrames(page, 3);
  await close();
});

test("no camera in this browser at all", async () => {
  const prepare = (page) => page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"));
  });
  const { page, close } = await open({ prepare });
  await stream(page, { pipeline: "finder" });
  await refused(page, "There is no camera here.");
  await close();
});

test("plain http from another machine: in words, with what to do", async () => {
  const port = new URL(BASE).port;
  const flags = ["--host-resolver-rules=MAP board.test 127.0.0.1"];
  const { page, close } = await open({ flags, base: `http://board.test:${port}/` });
  const note = await page.innerText("#insecure");
  for (const words of ["https or localhost", `ssh -L 8000:localhost:${port} board.test`, "TLS", "chrome://flags", `http://board.test:${port}`]) {
    assert.ok(note.includes(words), `${words}: ${note}`);
  }
  await shoot(page, "plain-http");
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await close();
});

test("a file that is no picture, a video that cannot be played, a picture that is too large", async () => {
  const { page, close } = await open();
  for (const [name, type, title] of [
    ["no-picture.jpg", "image/jpeg", "This browser cannot show no-picture.jpg"],
    ["no-video.mp4", "video/mp4", "This browser cannot play no-video.mp4"],
    ["notes.txt", "text/plain", "This browser cannot play notes.txt"],
    ["huge.jpg", "image/jpeg", "huge.jpg is too large: 12000 × 9000 are 108 megapixels."],
  ]) {
    if (name !== "huge.jpg") writeFileSync(`${FILES}/${name}`, `this is not ${type}`.repeat(100));
    await stream(page, { source: "file", file: `${FILES}/${name}`, pipeline: "finder" });
    await refused(page, title);
  }
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await close();
});

test("HTML in a label, a text and a pipeline's name is text", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: SQUARE, pipeline: "html" });
  await waitText(page, "#summary", "<img src=x");
  await waitText(page, "#values", "<b onclick=");
  assert.ok((await page.locator("[name=pipeline] option").allTextContents()).some((text) => text.startsWith("<i>bold</i>")));
  await page.click("#raw summary");
  await waitText(page, "#json", "<img src=x onerror=alert(1)>");
  assert.equal(await page.evaluate(() => document.querySelectorAll("main img, main b, main i").length), 0);
  await close();
});

test("500 boxes are drawn, and the page stays usable", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: SQUARE, pipeline: "crowd", fps: 15 });
  await waitFrames(page, 30);
  assert.match(await page.textContent("#summary"), /500 × /);
  await shoot(page, "crowd");
  await page.click("#start");
  await waitState(page, "Not streaming");
  await close();
});

test("masks, read text, tracks and whatever else a model may give", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: SQUARE, pipeline: "odd" });
  await waitFrames(page, 3);
  assert.match(await page.textContent("#summary"), /plate/);
  assert.equal(await figure(page, "values", "nothing"), "–");
  assert.equal(await figure(page, "values", "rgb"), "1  2  3");
  await shoot(page, "masks");
  await close();
});

test("a clock that jumps changes nothing", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  for (const hours of [5, -5]) {
    await page.evaluate((hours) => {
      const [date, performanceNow] = [Date.now.bind(Date), performance.now.bind(performance)];
      Date.now = () => date() + hours * 3.6e6;
      performance.now = () => performanceNow() + hours * 3.6e6;
    }, hours);
    await waitFrames(page, 10);
    await eventually("figures", async () => Number(await figure(page, "rates", "Answered")) > 0);
  }
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("a tab in the background sends nothing, says so, and goes on afterwards", async () => {
  const { page, close } = await open();
  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  const received = async () => (await (await fetch(`${BASE}/v1/sessions`)).json()).sessions
    .filter((session) => session.source === "websocket").map((session) => session.frame_index);
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await hide(true);
  await waitState(page, "Paused: this tab is in the background");
  // The last frames arrive; then as many turns of the screen pass as many frames would need.
  await eventually("quiet", async () => {
    const before = await received();
    await page.evaluate(async () => {
      for (let turn = 0; turn < 20; turn += 1) await new Promise(requestAnimationFrame);
    });
    return before.length === 1 && String(before) === String(await received());
  });
  await hide(false);
  await waitFrames(page, 5);
  await waitState(page, "Streaming");
  // A camera of the board is not even fetched in the background.
  await page.click("#start");
  await stream(page, { source: "board" });
  await waitState(page, "Showing yard");
  await hide(true);
  await eventually("no picture", () => page.evaluate(() => !document.querySelector("#stage > img").hasAttribute("src")));
  await hide(false);
  await waitState(page, "Showing yard");
  await close();
});
