// The page in a headless Chromium, on a real daemon. What every test holds: no error in the console, nothing against the page's
// security policy, and no request to another host than the board.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { after } from "node:test";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

export const { BASE, CONTROL, FILES, SHOTS, CHROMIUM } = process.env;
/** The longest that a test waits for anything: a busy machine starts a browser slowly. */
export const PATIENCE_MS = 60_000;

const browsers = new Map();
after(() => Promise.all([...browsers.values()].map(async (browser) => (await browser).close())));

/** A browser with these further flags, one for all tests of a file. */
function browser(flags) {
  const key = flags.join(" ");
  if (!browsers.has(key)) {
    const args = ["--no-sandbox", "--use-fake-device-for-media-stream", ...flags];
    if (!flags.some((flag) => flag.includes("deny"))) args.push("--use-fake-ui-for-media-stream");
    browsers.set(key, chromium.launch({ executablePath: CHROMIUM, args, timeout: PATIENCE_MS }));
  }
  return browsers.get(key);
}

/**
 * Opens the page.
 *
 * @param flags further flags of the browser
 * @param options of the browser's context, such as its viewport
 * @param expected a pattern of console errors that belong to the test: a request that fails is one
 * @param prepare called with the page before it loads
 */
export async function open({ flags = [], options = {}, expected, base = BASE, prepare = async () => {} } = {}) {
  const context = await (await browser(flags)).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !expected?.test(message.text())) faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.stack));
  const host = new URL(base).host;
  const foreign = (url) => !["data:", "blob:"].includes(new URL(url).protocol) && new URL(url).host !== host;
  page.on("request", (request) => foreign(request.url()) && faults.push(`a request to ${request.url()}`));
  page.on("websocket", (socket) => foreign(socket.url()) && faults.push(`a connection to ${socket.url()}`));
  await prepare(page);
  await page.goto(base);
  await page.waitForFunction(() => document.querySelector("[name=pipeline]").options.length > 0 || document.querySelector("dialog").open);
  return {
    page,
    context,
    faults,
    /** Ends it, and holds that nothing went wrong. */
    async close() {
      assert.deepEqual(faults, []);
      await context.close();
    },
  };
}

/** Asks the test in Rust to do something with the daemon. */
export async function ask(command) {
  const response = await fetch(`${CONTROL}/${command}`);
  assert.equal(response.status, 200, command);
  return response.json();
}

/** Looks until it is true, and returns what it was. */
export async function eventually(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until an element's text has this in it. */
export async function waitText(page, selector, text) {
  await page.locator(selector).filter({ hasText: text }).waitFor({ state: "attached" });
}

/** Waits until the page is in just this state. */
export function waitState(page, state) {
  return eventually(state, async () => (await page.textContent("#state")) === state);
}

/** Waits for this many more frames with a result. */
export async function waitFrames(page, count) {
  const shown = async () => Number(/^Frame (\d+)/.exec(await page.textContent("#summary"))?.[1] ?? 0);
  const from = await shown();
  return eventually(`${count} frames after ${from}`, async () => (await shown()) >= from + count);
}

/** A figure beside the picture. */
export function figure(page, list, name) {
  return page.evaluate(
    ([list, name]) => [...document.querySelectorAll(`#${list} > div`)].find((pair) => pair.children[0].textContent === name)?.children[1].textContent,
    [list, name],
  );
}

/** Chooses a source, and starts unless choosing a file did. */
export async function stream(page, { source = "camera", file, pipeline, fps = 15 } = {}) {
  if (pipeline) await page.selectOption("[name=pipeline]", pipeline);
  await page.selectOption("[name=fps]", String(fps));
  await page.locator(`[name=source][value=${source}]`).check({ force: true });
  if (file) await page.setInputFiles("[name=file]", file);
  else await page.click("#start");
}

/** Where the picture and what is drawn over it have a colour: `{left, top, right, bottom}` in pixels of the canvas, or null. */
export function extent(page, canvas, [red, green, blue], tolerance = 60) {
  return page.evaluate(findExtent, { canvas, red, green, blue, tolerance });
}

export function findExtent({ canvas, red, green, blue, tolerance }) {
  const element = document.querySelector(canvas);
  const { width, height } = element;
  const { data } = element.getContext("2d").getImageData(0, 0, width, height);
  const found = { left: width, top: height, right: -1, bottom: -1 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = (y * width + x) * 4;
      const far = Math.max(Math.abs(data[at] - red), Math.abs(data[at + 1] - green), Math.abs(data[at + 2] - blue));
      if (far > tolerance || data[at + 3] < 128) continue;
      Object.assign(found, {
        left: Math.min(found.left, x),
        top: Math.min(found.top, y),
        right: Math.max(found.right, x),
        bottom: Math.max(found.bottom, y),
      });
    }
  }
  return found.right < 0 ? null : found;
}

/** A picture of the page for whoever changes it, in `target/page`. */
export async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
}
