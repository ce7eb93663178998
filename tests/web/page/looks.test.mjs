// The page can be used by everybody: no serious fault that axe-core finds, in light, dark and on a phone. The pictures of it are
// for whoever changes the page to look at.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

import { ask, FILES, open, shoot, stream, waitFrames, waitText } from "./harness.mjs";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

async function check(page) {
  // By the debugger: the page's own policy would not let it in.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: readFileSync(axe, "utf8") });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious.map(({ id, help, nodes }) => [id, help, nodes.map(({ html }) => html)]), []);
}

for (const [name, options] of [
  ["desktop", { viewport: { width: 1280, height: 900 } }],
  ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
  ["phone", PHONE],
  ["phone-dark", { ...PHONE, colorScheme: "dark" }],
]) {
  test(`on ${name}: idle, streaming, refused, asked for a token`, async () => {
    const { page, close } = await open({ options, flags: [`--use-file-for-fake-video-capture=${FILES}/demo.mjpeg`] });
    await check(page);
    await shoot(page, `${name}-idle`);
    await stream(page, { pipeline: "yolo_ocr", fps: 5 });
    await waitFrames(page, 30);
    await waitText(page, "#rates", "ms");
    await check(page);
    // The same in each run.
    await page.evaluate(() => (document.getElementById("host").textContent = "board:8000"));
    // What the board reads: the sign and a label, each as a whole.
    await page.evaluate(() => scrollTo(0, 0));
    await waitText(page, "#values", /(Truck at 14:35|Gate B12 open)\s*(FRAGILE|Order 42|Berlin)/);
    await shoot(page, name);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing sticks out");
    await page.click("#start");
    await page.selectOption("[name=pipeline]", "noop");
    await ask("take-away-noop");
    await page.click("#start");
    await waitText(page, "[role=alert] code", "invalid_pipeline");
    await ask("break-yard");
    await waitText(page, "#refused", "yard.toml was refused: ");
    await check(page);
    await shoot(page, `${name}-refused`);
    await ask("give-back-noop");
    await ask("remove-yard");
    await page.evaluate(() => document.getElementById("ask").showModal());
    await check(page);
    await shoot(page, `${name}-token`);
    await close();
  });
}
