// What the page costs: streams the browser's own camera, 30 frames a second of 640x480, for so many seconds, and prints JSON.
// Run by the benchmark's row `page`: node bench.mjs CHROMIUM BOARD SECONDS

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(import.meta.url)("playwright-core");
const [executablePath, board, seconds] = process.argv.slice(2);
const TICKS_PER_S = 100;
const LOOK_S = 5;

const args = ["--no-sandbox", "--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"];
const server = await chromium.launchServer({ executablePath, args });
const browser = await chromium.connect(server.wsEndpoint());
const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
await page.goto(board);
await page.waitForFunction(() => document.querySelector("[name=pipeline]").options.length > 0);
await page.selectOption("[name=pipeline]", "noop");
await page.selectOption("[name=fps]", "30");

const frames = async () => Number(/\d+/.exec(await page.textContent("#summary"))?.[0] ?? 0);

// The camera alone, as a page would show it.
await page.evaluate(async () => {
  const video = Object.assign(document.createElement("video"), { id: "alone", muted: true, width: 640 });
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
  document.getElementById("stage").prepend(video);
  await video.play();
});
const shown = await share(Math.min(30, seconds / 3));
await page.evaluate(() => {
  document.getElementById("alone").srcObject.getTracks().forEach((track) => track.stop());
  document.getElementById("alone").remove();
});

const begun = performance.now();
await page.click("#start");
await page.waitForFunction(() => /^Frame/.test(document.getElementById("summary").textContent), null, { polling: "raf" });
const first_ms = performance.now() - begun;
// Caches and pools fill at first.
await wait(seconds / 6);
const before = { heap: await heap(), frames: await frames(), at: performance.now() };
const early = await share(seconds / 2);
const late = await share(seconds / 2);
const after = { heap: await heap(), frames: await frames(), at: performance.now() };
const fps = ((after.frames - before.frames) * 1000) / (after.at - before.at);
console.log(JSON.stringify({
  first_ms,
  fps,
  cores: { shown: shown.cores, streaming: (early.cores + late.cores) / 2 },
  heap: { before: before.heap, after: after.heap },
  browser: { shown: shown.memory, early: early.memory, late: late.memory },
}));
await browser.close();
await server.close();

/** What is used of the page's heap, after a collection. */
async function heap() {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
}

/** Of the whole browser over a while: its processor time in cores, and the most memory that it had. */
async function share(seconds) {
  const [from, begun] = [ticks(), performance.now()];
  let most = 0;
  while (performance.now() - begun < seconds * 1000) {
    await wait(Math.min(seconds, LOOK_S));
    most = Math.max(most, memory());
  }
  return { cores: ((ticks() - from) / TICKS_PER_S) * (1000 / (performance.now() - begun)), memory: most };
}

function ticks() {
  return processes().reduce((sum, { fields }) => sum + Number(fields[11]) + Number(fields[12]), 0);
}

/** Memory of the whole browser, what processes share counted once. */
function memory() {
  const pss = ({ pid }) => Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
  return processes().reduce((sum, process) => sum + pss(process), 0) * 1024;
}

/** The browser's process and all below it; `fields` are those of /proc/PID/stat from the third on. */
function processes() {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return [{ pid, fields: stat.slice(stat.lastIndexOf(")") + 2).split(" ") }];
    } catch {
      return []; // gone by now
    }
  });
  const ours = new Set([String(server.process().pid)]);
  // Children may have smaller numbers than their parents: until nothing is added any more.
  for (let size = 0; size !== ours.size; ) {
    size = ours.size;
    for (const { pid, fields } of all) if (ours.has(fields[1])) ours.add(pid);
  }
  return all.filter(({ pid }) => ours.has(pid));
}

function wait(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
