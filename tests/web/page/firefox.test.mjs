// The page in a stock Firefox, by WebDriver BiDi: its fake camera and a file are streamed, and boxes lie on their pixels.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test from "node:test";

import { BASE, extent, FILES, PATIENCE_MS, shoot, stream, waitFrames, waitText } from "./harness.mjs";

const { firefox } = createRequire(import.meta.url)("playwright-core");

test("Firefox streams its camera and a file, and draws what comes back", async () => {
  const browser = await firefox.launch({
    channel: "moz-firefox",
    executablePath: process.env.FIREFOX,
    timeout: PATIENCE_MS,
    firefoxUserPrefs: { "media.navigator.streams.fake": true, "media.navigator.permission.disabled": true },
  });
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(BASE);
  await page.waitForFunction(() => document.querySelector("[name=pipeline]").options.length > 0);
  await stream(page, { pipeline: "finder" });
  await waitFrames(page, 10);
  await stream(page, { source: "file", file: `${FILES}/square.jpg`, pipeline: "finder" });
  await waitText(page, "#summary", "1 × square");
  const found = await extent(page, "#picture", [255, 255, 255]);
  assert.ok(Math.abs(found.left - 100) <= 1 && Math.abs(found.right - 219) <= 1, JSON.stringify(found));
  assert.ok(await extent(page, "#overlay", [0xff, 0x38, 0x64], 20));
  assert.deepEqual(faults, []);
  // The driver adds a style for the picture, which the page's policy refuses: after everything else.
  await shoot(page, "firefox");
  await browser.close();
});
