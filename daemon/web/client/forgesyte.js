// @ts-self-types="./forgesyte.d.ts"
/**
 * Streams JPEG frames to a forgesyted board and takes its results.
 *
 *     import { StreamClient } from "http://board:8000/client/forgesyte.js";
 *     const client = new StreamClient({ url: "http://board:8000", pipeline: "scene" });
 *     client.addEventListener("result", ({ detail }) => console.log(detail.frameIndex, detail.result));
 *     client.connect();
 *     while (await client.ready()) { // connected, and the next frame is due
 *       client.sendFrame(await takeJpeg());
 *     }
 *
 * It keeps to its rate: a frame that is not due is not sent. On `slow_down` the rate is halved, and climbs back while nothing
 * is dropped. A lost connection is made again, at growing intervals. All that is kept is bounded. It runs in browsers, and in
 * Node from version 20 on. forgesyte.d.ts describes every member; errors.js, pace.js and replies.js belong beside it.
 */

import { ERRORS, PASSING, StreamError } from "./errors.js";
import { FPSThrottler, Rate } from "./pace.js";
import { Replies, withResolvers } from "./replies.js";

export { FPSThrottler, StreamError };

const PATH = "/ws/video/stream";
/** Where a board serves this module. */
const OWN_PATH = "/client/forgesyte.js";
/** Of the maximum, the change of rate that is told. */
const TOLD_CHANGE = 1 / 60;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** A connection that lasted so long was good, even where it carried nothing. */
const GOOD_MS = 10_000;
/** How long the close may take that follows an error. */
const LAST_WORD_MS = 5000;
/** How often a full socket is looked at again. */
const LOOK_MS = 20;

export class StreamClient extends EventTarget {
	static errors = ERRORS;

	#url;
	#options;
	#clock;
	#rate;
	#throttler;
	#toldFps;
	#state = "idle";
	#socket;
	#openedAt;
	#connecting;
	#timers = new Map();
	#failures = 0;
	#frames = 0;
	#waiting = new Map();
	#iterators = new Set();
	#wakers = [];
	#counts = { sent: 0, answered: 0, dropped: 0, skipped: 0, bytesSent: 0, slowdowns: 0 };
	#said;
	#lastError;

	constructor(options = {}) {
		super();
		const { url, pipeline, token, ...rest } = options;
		this.#options = {
			reconnect: true,
			adaptRate: true,
			maxFps: 30,
			maxWaiting: 10,
			maxBuffered: 1 << 20,
			connectTimeout: 10_000,
			replyTimeout: 30_000,
			random: Math.random,
			WebSocket: globalThis.WebSocket,
			...rest,
		};
		this.#clock = {
			now: () => performance.now(),
			setTimeout: (callback, delay) => setTimeout(callback, delay),
			clearTimeout: (timer) => clearTimeout(timer),
			...options.clock,
		};
		if (!this.#options.WebSocket) throw new TypeError("there is no WebSocket here: give one as the option WebSocket");
		this.#url = endpoint(url, pipeline, token);
		this.#throttler = new FPSThrottler(this.#options.maxFps, () => this.#clock.now());
		this.#rate = new Rate(this.#options.maxFps, this.#options.adaptRate);
		this.#toldFps = this.#rate.fps;
	}

	get state() { return this.#state; }
	get fps() { return this.#rate.fps; }
	get sent() { return this.#counts.sent; }
	get answered() { return this.#counts.answered; }
	get dropped() { return this.#counts.dropped; }
	get skipped() { return this.#counts.skipped; }
	get slowdowns() { return this.#counts.slowdowns; }
	get bytesSent() { return this.#counts.bytesSent; }
	get waiting() { return this.#waiting.size; }
	get bufferedAmount() { return this.#socket?.bufferedAmount ?? 0; }
	get lastError() { return this.#lastError; }

	connect() {
		if (this.#state === "open") return Promise.resolve();
		if (!this.#connecting) {
			this.#connecting = handled(withResolvers());
			this.#failures = 0;
		}
		const promise = this.#connecting.promise;
		// In "reconnecting": now, and not when the timer says.
		if (this.#state !== "connecting") this.#dial();
		return promise;
	}

	close() {
		const socket = this.#abandon();
		socket?.close(1000);
		if (this.#state !== "closed" && this.#state !== "idle") this.#end(new StreamError("closed"), { code: 1000, asked: true });
	}

	canSend() {
		return this.#obstacle() === undefined;
	}

	async ready() {
		for (let obstacle; (obstacle = this.#obstacle()); ) {
			if (obstacle === "not_connected") return false;
			await new Promise((resolve) => {
				this.#wakers.push(resolve);
				const wait = { rate: this.#throttler.wait, buffer: LOOK_MS }[obstacle];
				if (wait !== undefined) this.#timer("ready", wait, () => this.#wake());
			});
		}
		return true;
	}

	sendFrame(frame) {
		const size = frame?.size ?? frame?.byteLength;
		if (typeof size !== "number") throw new TypeError("a frame is a Blob, an ArrayBuffer or a view of one");
		const waiting = handled(withResolvers());
		const obstacle = this.#obstacle();
		if (obstacle === "not_connected") {
			waiting.reject(new StreamError(obstacle, "Call connect() first."));
			return waiting.promise;
		}
		if (obstacle || !this.#throttler.throttle(() => this.#socket.send(frame))) {
			this.#counts.skipped += 1;
			return Promise.resolve({ skipped: obstacle ?? "rate" });
		}
		this.#frames += 1;
		this.#waiting.set(this.#frames, waiting);
		this.#counts.sent += 1;
		this.#counts.bytesSent += size;
		if (!this.#timers.has("reply")) this.#expectReply();
		return waiting.promise;
	}

	results({ limit } = {}) {
		const iterator = new Replies(() => this.#iterators.delete(iterator), limit);
		if (this.#state !== "closed") this.#iterators.add(iterator);
		else iterator.end(this.#lastError.code === "closed" ? undefined : this.#lastError);
		return iterator;
	}

	/** Why no frame is sent now; none when one is. */
	#obstacle() {
		if (this.#state === "idle" || this.#state === "closed") return "not_connected";
		if (this.#state !== "open") return "connecting";
		if (this.#waiting.size >= this.#options.maxWaiting) return "waiting";
		if (this.#socket.bufferedAmount > this.#options.maxBuffered) return "buffer";
		return this.#throttler.wait > 0 ? "rate" : undefined;
	}

	#dial() {
		this.#abandon()?.close();
		this.#setState("connecting");
		this.#said = undefined;
		let socket;
		try {
			socket = new this.#options.WebSocket(this.#url);
		} catch (error) {
			// A page from https: may not open a plain ws: connection.
			this.#said = new StreamError("not_allowed", error.message);
			return this.#closed(1006, "");
		}
		this.#socket = socket;
		socket.binaryType = "arraybuffer";
		socket.onopen = () => this.#opened();
		socket.onmessage = ({ data }) => this.#message(data);
		// The close that follows says as much.
		socket.onerror = () => {};
		socket.onclose = ({ code, reason }) => this.#closed(code, reason);
		this.#timer("connect", this.#options.connectTimeout, () => this.#lose("No connection in time."));
	}

	#opened() {
		this.#stop("connect");
		this.#openedAt = this.#clock.now();
		this.#frames = 0;
		this.#lastError = undefined;
		this.#rate.newSession();
		this.#setState("open");
		const connecting = this.#connecting;
		this.#connecting = undefined;
		connecting?.resolve();
		this.#emit("open");
	}

	#message(data) {
		let message;
		try {
			message = JSON.parse(data);
		} catch {
			return this.#breach("a message is no JSON");
		}
		if (message?.error !== undefined) {
			this.#said = new StreamError(String(message.error), String(message.detail ?? ""));
			this.#timer("reply", LAST_WORD_MS, () => this.#lose());
		} else if (message?.warning === "slow_down") {
			this.#counts.slowdowns += 1;
			this.#rate.slowDown(this.#frames, this.#clock.now());
			this.#emit("slowdown", { fps: this.fps });
			this.#tellRate();
		} else if (message?.warning === undefined) {
			this.#reply(message);
		}
	}

	#reply(message) {
		const frameIndex = message?.frame_index;
		const [next] = this.#waiting.keys();
		if (frameIndex === undefined || frameIndex !== next) return this.#breach(`frame ${next} was to be answered next`);
		const { resolve } = this.#waiting.get(next);
		this.#waiting.delete(next);
		this.#expectReply();
		this.#failures = 0;
		this.#counts.answered += 1;
		const now = this.#clock.now();
		const dropped = message.dropped === true;
		const reply = dropped ? { frameIndex, dropped } : { frameIndex, result: message.result };
		if (dropped) {
			this.#counts.dropped += 1;
			this.#rate.dropped(frameIndex, now);
		} else {
			this.#rate.result(now);
		}
		this.#tellRate();
		resolve(reply);
		for (const iterator of this.#iterators) iterator.push(reply);
		this.#wake();
		this.#emit(dropped ? "dropped" : "result", reply);
		this.#emit("reply", reply);
	}

	/** Waits for the next reply, as long as one is due: a board without power says nothing any more. */
	#expectReply() {
		this.#stop("reply");
		const { replyTimeout } = this.#options;
		if (this.#waiting.size > 0 && replyTimeout > 0) this.#timer("reply", replyTimeout, () => this.#lose("No reply in time."));
	}

	#tellRate() {
		const fps = this.#rate.fps;
		if (fps === this.#toldFps) return;
		this.#throttler.setMaxFps(fps);
		const max = this.#options.maxFps;
		if (Math.abs(fps - this.#toldFps) < max * TOLD_CHANGE && fps < max) return;
		this.#toldFps = fps;
		this.#emit("ratechange", { fps });
	}

	#breach(what) {
		this.#said = new StreamError("protocol_error", `Not the protocol: ${what}.`);
		this.#abandon()?.close(4000);
		this.#closed(4000, "");
	}

	/** Gives up a connection that may never close by itself. */
	#lose(why) {
		this.#said ??= new StreamError("connection_lost", why);
		this.#abandon()?.close();
		this.#closed(1006, "");
	}

	#closed(code, reason) {
		this.#abandon();
		const unsaid = PASSING.has(code) ? "connection_lost" : "connection_closed";
		const error = this.#said ?? new StreamError(unsaid, reason || `The connection ended with code ${code}.`);
		error.closeCode = code;
		// A board that is newer than this client has its own errors.
		if (!Object.hasOwn(ERRORS, error.code)) error.retry = PASSING.has(code);
		if (this.#openedAt !== undefined && this.#clock.now() - this.#openedAt >= GOOD_MS) this.#failures = 0;
		this.#openedAt = undefined;
		this.#end(error, { code, asked: false });
	}

	#end(error, { code, asked }) {
		const waiting = [...this.#waiting.values()];
		this.#waiting.clear();
		this.#lastError = error;
		const again = !asked && this.#options.reconnect && error.retry;
		let delay;
		if (again) {
			const least = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
			delay = least * (1 + this.#options.random()) / 2;
			this.#failures += 1;
			this.#timer("retry", delay, () => this.#dial());
		}
		// A listener may begin anew: that is not ended here, and its news is newer.
		let connecting;
		let iterators = [];
		if (!again) {
			[connecting, iterators] = [this.#connecting, this.#iterators];
			[this.#connecting, this.#iterators] = [undefined, new Set()];
		}
		const state = again ? "reconnecting" : "closed";
		this.#setState(state);
		for (const { reject } of waiting) reject(error);
		connecting?.reject(error);
		for (const iterator of iterators) iterator.end(asked ? undefined : error);
		const is = () => this.#state === state;
		if (!asked && is()) this.#emit("error", error);
		if (is()) this.#emit("close", { code, error, final: !again });
		if (again && is()) this.#emit("reconnecting", { delay, attempt: this.#failures, error });
	}

	/** Lets go of the socket, so that nothing that it still says is heard, and of what waits for it. */
	#abandon() {
		for (const name of ["connect", "reply", "retry"]) this.#stop(name);
		const socket = this.#socket;
		this.#socket = undefined;
		if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
		return socket;
	}

	/** One timer of each name: what a background tab holds up does not pile up. */
	#timer(name, delay, callback) {
		this.#stop(name);
		const timer = this.#clock.setTimeout(() => {
			this.#timers.delete(name);
			callback();
		}, delay);
		this.#timers.set(name, timer);
	}

	#stop(name) {
		this.#clock.clearTimeout(this.#timers.get(name));
		this.#timers.delete(name);
	}

	#setState(state) {
		if (state === this.#state) return;
		this.#state = state;
		this.#wake();
		this.#emit("state", { state });
	}

	#wake() {
		const wakers = this.#wakers;
		this.#wakers = [];
		for (const waker of wakers) waker();
	}

	#emit(type, detail = null) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}

/** The board of the page: where the page's own origin serves this module, be it below a path, or else that origin. */
function home() {
	const origin = globalThis.location?.origin;
	const served = origin !== undefined && import.meta.url.startsWith(`${origin}/`) && import.meta.url.endsWith(OWN_PATH);
	return served ? import.meta.url.slice(0, -OWN_PATH.length) : origin;
}

function endpoint(url, pipeline, token) {
	const base = url ?? home();
	const schemes = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };
	let address;
	try {
		address = new URL(base);
	} catch {
		// Told below.
	}
	const scheme = schemes[address?.protocol];
	if (!scheme) throw new TypeError(`url is an address such as http://board:8000, and not ${base}`);
	address.protocol = scheme;
	address.hash = "";
	// A proxy may serve the board below a path of its own.
	if (!address.pathname.endsWith(PATH)) address.pathname = address.pathname.replace(/\/*$/, PATH);
	if (pipeline !== undefined) address.searchParams.set("pipeline_id", pipeline);
	if (token) address.searchParams.set("token", token);
	return address.href;
}

/** Who uses the events alone may let the promises be: their rejection is nobody's surprise. */
function handled(resolvers) {
	resolvers.promise.catch(() => {});
	return resolvers;
}
