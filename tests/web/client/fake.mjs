/** A WebSocket that the test plays the board of, and a clock that goes when the test says. */

import "./node18.mjs";
import { StreamClient } from "../../../daemon/web/client/forgesyte.js";

/** Enough turns of the event loop for every promise that is due to be settled. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

export class FakeClock {
  time = 1000;
  #timers = new Map();
  #next = 1;

  now = () => this.time;
  setTimeout = (callback, delay) => {
    this.#timers.set(this.#next, { callback, at: this.time + delay });
    return this.#next++;
  };
  clearTimeout = (timer) => void this.#timers.delete(timer);

  /** How many timers run. */
  get timers() {
    return this.#timers.size;
  }

  /** Goes on by so many milliseconds, and runs what is due on the way, in its order. */
  async go(milliseconds) {
    const end = this.time + milliseconds;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [timer, { callback, at }] = due;
      this.#timers.delete(timer);
      this.time = Math.max(this.time, at);
      callback();
    }
    this.time = end;
  }
}

/** Makes clients with a board that is played: `board.last` is the newest connection. */
export class FakeBoard {
  clock = new FakeClock();
  sockets = [];

  client(options = {}) {
    const sockets = this.sockets;
    class FakeSocket {
      bufferedAmount = 0;
      frames = [];
      constructor(url) {
        this.url = url;
        sockets.push(this);
      }
      send(frame) {
        this.frames.push(frame);
      }
      close(code) {
        this.closedWith = code ?? 1000;
      }
    }
    const client = new StreamClient({
      url: "http://board:8000",
      pipeline: "scene",
      WebSocket: FakeSocket,
      clock: this.clock,
      random: () => 1,
      ...options,
    });
    client.heard = [];
    for (const type of ["open", "close", "result", "dropped", "reply", "slowdown", "error", "state", "reconnecting", "ratechange"]) {
      client.addEventListener(type, ({ detail }) => client.heard.push([type, detail]));
    }
    return client;
  }

  get last() {
    return this.sockets.at(-1);
  }

  /** A client whose connection is open. */
  async open(options) {
    const client = this.client(options);
    const connected = client.connect();
    this.accept();
    await connected;
    return client;
  }

  accept() {
    this.last.onopen();
  }

  /** The board says something. */
  say(message) {
    this.last.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  result(frameIndex, result = {}) {
    this.say({ frame_index: frameIndex, result });
  }

  drop(frameIndex) {
    this.say({ frame_index: frameIndex, dropped: true });
  }

  /** The connection ends; with an error, that is said before. */
  end(code, error) {
    if (error) this.say({ error, detail: "A test says so." });
    this.last.onclose?.({ code, reason: error ?? "" });
  }
}

export const frame = () => new Uint8Array([0xff, 0xd8, 0xff, 0xd9]);

/** The details of the events of a type that a client told. */
export const told = (client, type) => client.heard.filter(([heard]) => heard === type).map(([, detail]) => detail);
