// More frames than the board can run: the rate falls, the page says so, and it comes back.

import assert from "node:assert/strict";
import test from "node:test";

import { ask, BASE, eventually, FILES, figure, open, stream, waitFrames, waitState, waitText } from "./harness.mjs";

const rate = async (page) => Number.parseFloat(await figure(page, "rates", "Rate now"));

/** Lets a frame through only when several have come since the last one: most of them give way to newer ones. */
async function overload(page, what, look) {
  let last = 0;
  await eventually(what, async () => {
    const { sessions } = await (await fetch(`${BASE}/v1/sessions`)).json();
    const received = sessions[0]?.frame_index ?? 0;
    if (received >= last + 6) {
      last = received;
      await ask("let-one-through");
    }
    return look();
  });
}

test("under overload the rate falls, and it recovers when the load is gone", async () => {
  const { page, close } = await open();
  await stream(page, { source: "file", file: `${FILES}/square.jpg`, pipeline: "held", fps: 10 });
  await waitFrames(page, 3);
  await eventually("the rate", async () => (await rate(page)) === 10);
  await ask("hold");
  await overload(page, "a slow-down", async () => Number(await figure(page, "rates", "Slow-downs")) > 0);
  await overload(page, "a lower rate", async () => (await rate(page)) <= 5);
  await waitText(page, "#state", "slowed to");
  await overload(page, "the board's own word for it", async () => (await figure(page, "rates", "Backpressure")) === "critical");
  await overload(page, "drops", async () => Number(await figure(page, "rates", "Dropped")) > 0);
  assert.equal(await page.getByRole("alert").count(), 0, "slower is no error");
  await ask("open");
  await eventually("the full rate", async () => (await rate(page)) === 10);
  await eventually("a board at ease", async () => (await figure(page, "rates", "Backpressure")) === "normal");
  await waitState(page, "Streaming");
  await close();
});

test("told not to, it keeps its rate and takes the drops", async () => {
  const { page, close } = await open();
  await page.locator("[name=adapt]").uncheck();
  await stream(page, { source: "file", file: `${FILES}/square.jpg`, pipeline: "held", fps: 10 });
  await waitFrames(page, 3);
  await ask("hold");
  await overload(page, "two slow-downs", async () => Number(await figure(page, "rates", "Slow-downs")) > 1);
  assert.equal(await rate(page), 10);
  await ask("open");
  await waitFrames(page, 3);
  await close();
});
