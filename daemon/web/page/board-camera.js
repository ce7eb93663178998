// A camera of the board: its pictures, with each result drawn on its very frame by the board, and its results.

import { StreamError } from "../client/forgesyte.js";
import { Teller } from "./dom.js";

/** Events: `result` with a message of `/ws/watch`; `up`; `down`, perhaps with the board's error: it may be started anew. */
export class BoardCamera extends Teller {
	image = new Image();
	#api;
	#camera;
	#started = false;
	#socket = null;

	constructor(api, camera) {
		super();
		this.#api = api;
		this.#camera = camera;
		this.image.alt = `Camera ${camera.name}`;
	}

	start() {
		if (this.#started) return;
		this.#started = true;
		const { name, pipeline_id: pipeline } = this.#camera;
		const path = `v1/cameras/${encodeURIComponent(name)}/stream.mjpeg`;
		const show = () => (this.image.src = this.#api.url(path, pipeline ? { overlay: 1 } : {}));
		const end = (error) => {
			this.stop();
			this.tell("down", error);
		};
		this.image.onload = () => this.tell("up");
		if (!pipeline) {
			this.image.onerror = () => end();
			return show(); // there are no results
		}
		const socket = (this.#socket = new WebSocket(this.#api.url("ws/watch", { camera: name })));
		let said;
		socket.onopen = show;
		// Pictures and results begin and end together.
		this.image.onerror = () => socket.close();
		socket.onmessage = ({ data }) => {
			const message = JSON.parse(data);
			if (message.error !== undefined) said = new StreamError(message.error, message.detail);
			else if (message.result !== undefined) this.tell("result", message);
		};
		socket.onclose = () => end(said);
	}

	/** What the board says of the camera now. Its stream ends when it is down, and browsers do not tell. */
	is({ state, reconnects }) {
		const down = state === "down";
		const over = this.#started && (down || reconnects !== this.#camera.reconnects);
		this.#camera = { ...this.#camera, reconnects };
		if (over) this.stop();
		if (over && down) this.tell("down");
		if (!down) this.start();
	}

	stop() {
		this.#started = false;
		if (this.#socket) this.#socket.onclose = null;
		this.#socket?.close();
		this.#socket = null;
		this.image.onload = this.image.onerror = null;
		this.image.removeAttribute("src"); // ends the request
	}
}
