// Frames of a source to the client, at the client's pace, and each reply back to the picture that it belongs to.

import { Teller } from "./dom.js";

/** A frame that waited so long for its turn is not sent any more. */
const STALE_MS = 500;
/** Pictures have a beat of their own: one may be so much too early, and waits. */
const EARLY_MS = 16;

/** The size at which a picture is sent: as wide as asked, never wider than it is, in its own shape. */
export function sentSize(picture, most) {
	const width = Math.min(most, picture.width);
	return { width, height: Math.max(1, Math.round((picture.height * width) / picture.width)) };
}

/** Events: `result` with `{picture, reply, took}`, whose picture is closed after the event; `failed` with an error. */
export class Streamer extends Teller {
	#source;
	#client;
	#worker = null;
	#stopped = false;
	#preparing = false;
	/** Milliseconds that grabbing and encoding take, smoothed. */
	#preparation = 0;
	#lastSent = -Infinity;

	/** @param settings `{width, quality}`, which may change at any time */
	constructor(source, client, settings) {
		super();
		this.#source = source;
		this.#client = client;
		this.settings = settings;
	}

	start() {
		this.#source.start(() => {
			if (this.#isDue()) this.#send();
		});
	}

	stop() {
		this.#stopped = true;
		this.#worker?.terminate();
		this.#source.stop();
	}

	/** Whether a frame that is begun now would be ready when its turn comes. */
	#isDue() {
		if (this.#stopped || document.hidden || this.#preparing || this.#client.state !== "open") return false;
		const passed = performance.now() - this.#lastSent;
		// A clock that was set back holds nothing up.
		return passed < 0 || passed >= 1000 / this.#client.fps - this.#preparation - EARLY_MS;
	}

	async #send() {
		this.#preparing = true;
		const frame = await this.#prepare().catch((error) => this.tell("failed", error));
		this.#preparing = false;
		if (!frame) return;
		const { jpeg, picture } = frame;
		const sent = (this.#lastSent = performance.now());
		try {
			const reply = await this.#client.sendFrame(jpeg);
			const took = performance.now() - sent;
			if (!this.#stopped && reply.result !== undefined) this.tell("result", { picture, reply, took });
		} catch {
			// The session ended before the reply; the client tells why.
		} finally {
			picture.close();
		}
	}

	/** A frame whose turn has come; null where it is not worth sending any more. */
	async #prepare() {
		const start = performance.now();
		const bitmap = await this.#source.grab();
		if (this.#stopped) return bitmap.close();
		const frame = await this.#encode(bitmap);
		const took = Math.max(0, performance.now() - start);
		this.#preparation += (took - this.#preparation) / 5;
		const ready = await this.#client.ready().then(() => true, () => false);
		if (ready && !this.#stopped && performance.now() - start < took + STALE_MS) return frame;
		frame.picture.close();
		return null;
	}

	/** By the worker: `{jpeg, picture}`, of which the picture is to be closed. */
	#encode(bitmap) {
		const { width, quality } = this.settings;
		return new Promise((resolve, reject) => {
			const worker = (this.#worker ??= new Worker(new URL("encoder.js", import.meta.url)));
			worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
			worker.onerror = () => {
				this.#worker = null;
				reject(new Error("The worker that makes JPEGs failed."));
			};
			worker.postMessage({ bitmap, ...sentSize(bitmap, width), quality }, [bitmap]);
		});
	}
}
