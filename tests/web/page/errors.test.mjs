// What the page says and does when the board refuses, goes away, comes back, or asks for a token.

import assert from "node:assert/strict";
import test from "node:test";

import { ask, eventually, FILES, figure, open, stream, waitFrames, waitState, waitText } from "./harness.mjs";

/** Chromium logs each request and connection that fails. */
const FAILED_REQUESTS = /Failed to load resource|WebSocket connection/;
const SQUARE = `${FILES}/square.jpg`;

test("a pipeline that vanishes on reload: the stream goes on, and the next one is refused in words", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: SQUARE, pipeline: "passing" });
  await waitFrames(page, 3);
  await ask("take-away-passing");
  await eventually("the list to say so", async () => (await page.textContent("[name=pipeline]")).includes("passing (not on the board)"));
  await waitFrames(page, 3);
  await page.click("#start");
  await page.click("#start");
  const banner = page.getByRole("alert");
  await waitText(page, "[role=alert] code", "invalid_pipeline");
  assert.match(await banner.textContent(), /this device has finder, noop, scene/, "the board's detail");
  await waitState(page, "Not streaming");
  // Retry does what it says, with what is chosen now.
  await page.selectOption("[name=pipeline]", "finder");
  await banner.getByRole("button", { name: "Retry" }).click();
  await waitFrames(page, 3);
  assert.equal(await banner.count(), 0);
  await close();
});

test("a refused pipeline file is told beside the list with its reason, until it is mended", async () => {
  const { page, close } = await open();
  const told = () => page.textContent("#refused");
  assert.equal(await told(), "");
  await ask("break-finder");
  await waitText(page, "#refused", "finder.toml was refused: ");
  assert.match(await told(), /^finder\.toml was refused: node "finder": .*"guess".*\. Its earlier version still serves\.$/);
  assert.equal(await page.getByRole("status").filter({ hasText: "finder.toml" }).count(), 1, "screen readers hear of it");
  assert.match(await page.textContent("[name=pipeline]"), /finder/);
  await ask("mend-finder");
  await eventually("nothing to be refused", async () => (await told()) === "");
  await close();
});

test("what the board does not answer leaves the rest of the page in peace", async () => {
  const { page, close } = await open({ expected: FAILED_REQUESTS });
  assert.match(await page.textContent("[name=pipeline]"), /spare/);
  let refused = 0;
  await page.route("**/v1/board", (route) => (refused += 1) && route.abort());
  await ask("take-away-spare");
  await eventually("the list without it", async () => !(await page.textContent("[name=pipeline]")).includes("spare"));
  assert.ok(refused > 0);
  assert.equal(await page.getByRole("alert").count(), 0, "it answers");
  await close();
});

test("a board that is killed is missed, and comes back by itself", async () => {
  const { page, close } = await open({ expected: FAILED_REQUESTS });
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await ask("kill");
  await waitText(page, "[role=alert] code", "connection_lost");
  await waitState(page, "Connecting again");
  // Each try has a banner of its own, and the button keeps the focus.
  await page.getByRole("button", { name: "Reconnect" }).focus();
  const text = await page.textContent("[role=alert]:has(code)");
  await eventually("another try", async () => ![null, text].includes(await page.textContent("[role=alert]:has(code)")));
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Reconnect");
  assert.equal(await page.getByRole("alert").count(), 1, "one banner for one outage");
  await ask("start");
  await waitText(page, "[role=status]", "Connected again.");
  await waitState(page, "Streaming");
  await waitFrames(page, 3);
  await eventually("the alerts to go", async () => (await page.getByRole("alert").count()) === 0);
  await eventually("the board's facts", async () => (await figure(page, "board", "Ready")) === "yes");
  await close();
});

test("a board that stops says so, and Reconnect tries at once", async () => {
  const { page, close } = await open({ expected: FAILED_REQUESTS });
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await ask("stop");
  await waitText(page, "[role=alert]", "Trying again in");
  await ask("start");
  await page.getByRole("button", { name: "Reconnect" }).click({ timeout: 5000 }).catch(() => {}); // it may have come back by itself
  await waitText(page, "[role=status]", "Connected again.");
  await waitFrames(page, 3);
  await close();
});

test("an updated board is noticed, and a reload offered", async () => {
  const { page, close } = await open();
  let answers = 0;
  await page.route("**/v1/board", async (route) => {
    const response = await route.fetch();
    answers += 1;
    await route.fulfill({ response, json: { ...(await response.json()), version: "99.0.0" } });
  });
  await waitText(page, "[role=status]", "It runs version 99.0.0 now.");
  assert.equal(await page.getByRole("button", { name: "Reload" }).count(), 1);
  // Who has dismissed it is told no more.
  await page.getByRole("button", { name: "Dismiss" }).click();
  const before = answers;
  await eventually("two more answers", () => answers >= before + 3);
  assert.equal(await page.getByRole("button", { name: "Reload" }).count(), 0);
  await close();
});

test("a stream that is stopped while it connects leaves no banner behind", async () => {
  const base = await ask("full");
  const { page, close } = await open({ base });
  await stream(page, { source: "file", file: SQUARE, pipeline: "noop" });
  await waitText(page, "[role=alert] code", "too_many_sessions");
  const text = await page.textContent("[role=alert]");
  await eventually("another try", async () => (await page.textContent("[role=alert]")) !== text);
  assert.equal(await page.getByText("Connected again.").count(), 0, "a board that refuses has not taken it");
  await page.click("#start");
  await waitState(page, "Not streaming");
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("an encoder that does not load is told, and Retry loads it", async () => {
  const prepare = (page) => page.addInitScript(() => {
    let made = 0;
    const Real = Worker;
    globalThis.Worker = class extends Real {
      constructor(url) {
        super((made += 1) > 1 ? url : "/page/none.js");
      }
    };
  });
  const { page, close } = await open({ expected: FAILED_REQUESTS, prepare });
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitText(page, "[role=alert]", "The worker that makes JPEGs failed.");
  await waitState(page, "Not streaming");
  await page.getByRole("button", { name: "Retry" }).click();
  await waitFrames(page, 3);
  await close();
});

test("a token is asked for, tried, kept for this tab, and never in the address", async () => {
  const base = await ask("guarded");
  const { page, context, close } = await open({ base, expected: FAILED_REQUESTS });
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  // What no request can carry is refused here, in words.
  await page.getByRole("textbox", { name: "Token" }).fill("ключ");
  await page.getByRole("button", { name: "Continue" }).click();
  assert.match(await page.locator("#token:invalid").getAttribute("title"), /no such characters/);
  assert.equal(await dialog.isVisible(), true);
  await page.getByRole("textbox", { name: "Token" }).fill("wrong");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("dialog", { name: "That is not the board’s token" }).waitFor();
  await page.getByRole("textbox", { name: "Token" }).fill("s3cret+/=");
  await page.keyboard.press("Enter");
  await eventually("the board's facts", async () => (await figure(page, "board", "Ready")) === "yes");
  await stream(page, { source: "file", file: SQUARE, pipeline: "finder" });
  await waitFrames(page, 3);
  await page.reload();
  await eventually("the board's facts again", async () => (await figure(page, "board", "Ready")) === "yes");
  assert.ok(!page.url().includes("s3cret"));
  assert.equal(await page.evaluate(() => localStorage.getItem("forgesyted.settings")?.includes("s3cret")), false);
  const other = await context.newPage();
  await other.goto(base);
  await other.getByRole("dialog").waitFor();
  await close();
});

test("more sessions than the board takes: it says so and goes on trying", async () => {
  const base = await ask("full");
  const { page, close } = await open({ base });
  await stream(page, { source: "file", file: SQUARE, pipeline: "noop" });
  await waitText(page, "[role=alert] code", "too_many_sessions");
  await waitState(page, "Connecting again");
  await eventually("the board's count", async () => (await figure(page, "board", "Sessions")) === "1 of 1");
  await ask("make-room");
  await waitState(page, "Streaming");
  await waitFrames(page, 3);
  await close();
});
