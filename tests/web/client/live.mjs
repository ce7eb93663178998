/**
 * A client of a real daemon, which tells each event in a line of JSON: node live.mjs PICTURE FRAMES OPTIONS
 * It streams until so many frames have their reply (0: until it is killed), then closes.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import "./node18.mjs";
import { StreamClient } from "../../../daemon/web/client/forgesyte.js";

const [picture, frames, options] = process.argv.slice(2);
const jpeg = readFileSync(picture);
const client = new StreamClient({ WebSocket: createRequire(import.meta.url)("ws"), ...JSON.parse(options) });
const tell = (type, detail) => console.log(JSON.stringify([type, detail]));
for (const type of ["open", "close", "slowdown", "error", "state", "reconnecting", "ratechange", "dropped", "result"]) {
  client.addEventListener(type, ({ detail }) => tell(type, detail));
}
try {
  await client.connect();
  for (let replies = 0; (frames === "0" || replies < Number(frames)) && (await client.ready()); ) {
    const sent = client.sendFrame(jpeg);
    if (frames === "0") continue;
    const { frameIndex, result, dropped } = await sent;
    tell("reply", { frameIndex, result, dropped });
    replies += 1;
  }
  client.close();
  const { sent, answered, dropped, bytesSent, waiting } = client;
  tell("counts", { sent, answered, dropped, bytesSent, waiting });
} catch ({ code, detail, closeCode }) {
  tell("thrown", { code, detail, closeCode });
}
