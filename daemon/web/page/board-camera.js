// A camera of the board: its pictures, with each result drawn on its very frame by the board, and its results.

import { Teller } from "./dom.js";

/** Events: `result` with a message of `/ws/watch`; `up`; `down`, after which it may be started anew. */
export class BoardCamera extends Teller {
	image = new Image();
	#api;
	#camera;
	#socket = null;

	constructor(api, camera) {
		super();
		this.#api = api;
		this.#camera = camera;
		this.image.alt = `Camera ${camera.name}`;
	}

	start() {
		if (this.#socket) return;
		const { name, pipeline_id: pipeline } = this.#camera;
		const socket = (this.#socket = new WebSocket(this.#api.url("/ws/watch", { camera: name })));
		const path = `/v1/cameras/${encodeURIComponent(name)}/stream.mjpeg`;
		socket.onopen = () => (this.image.src = this.#api.url(path, pipeline ? { overlay: 1 } : {}));
		this.image.onload = () => this.tell("up");
		// Pictures and results begin and end together.
		this.image.onerror = () => socket.close();
		socket.onmessage = ({ data }) => {
			const message = JSON.parse(data);
			if (message.result !== undefined) this.tell("result", message);
		};
		socket.onclose = () => {
			this.stop();
			this.tell("down");
		};
	}

	stop() {
		if (this.#socket) this.#socket.onclose = null;
		this.#socket?.close();
		this.#socket = null;
		this.image.onload = this.image.onerror = null;
		this.image.src = "data:,"; // ends the request in every browser
	}
}
