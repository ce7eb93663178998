/** A client as a TypeScript author writes one; it is compiled, not run. */

import { FPSThrottler, StreamClient, StreamError, type Reply, type StreamOptions } from "../../../daemon/web/client/forgesyte.js";

interface Detection { box: [number, number, number, number]; label: string }

export async function stream(canvas: HTMLCanvasElement, options: StreamOptions): Promise<number> {
  const client = new StreamClient({ ...options, pipeline: "yard", maxFps: 15 });
  client.addEventListener("result", ({ detail }) => {
    const index: number = detail.frameIndex;
    const found = detail.result["detections"] as Detection[];
    console.log(index, found.length);
  });
  client.addEventListener("close", ({ detail: { error, final } }) => final && console.log(error.meaning));
  client.addEventListener("ratechange", function ({ detail }) { console.log(this.state, detail.fps.toFixed(1)); });
  // @ts-expect-error: a result is no number
  client.addEventListener("result", ({ detail }) => detail.result.toFixed());
  // @ts-expect-error: the rate is the client's
  client.fps = 3;
  // @ts-expect-error: text is no frame
  client.sendFrame("jpeg");
  // @ts-expect-error: there is no such option
  new StreamClient({ pipelines: ["yard"] });

  await client.connect();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
  if (blob && client.canSend()) {
    try {
      const reply = await client.sendFrame(blob);
      if (reply.skipped) return 0;
      if (reply.dropped) return reply.frameIndex;
      console.log(reply.result["verdict"]);
    } catch (error) {
      if (error instanceof StreamError && error.retry) await client.ready();
    }
  }
  const last: Reply[] = [];
  for await (const reply of client.results({ limit: 8 })) last.push(reply);
  new FPSThrottler(10, () => Date.now()).throttle(() => client.close());
  return client.waiting + client.bufferedAmount + Object.keys(StreamClient.errors).length;
}
