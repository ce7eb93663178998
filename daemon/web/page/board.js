// The board beside the picture: asked every few seconds, as long as somebody looks.

import { byId, setPairs, Teller } from "./dom.js";
import { bytes, duration } from "./numbers.js";

const EVERY_MS = 2000;

/** Events: `lists` with `{pipelines, rejections, cameras, sessions}`; `unauthorized`, which ends the asking; `unreachable`, and then `reached`;
 * `version`, when the board was updated. */
export class Board extends Teller {
	#api;
	#timer;
	#asking = false;
	#reached = true;
	#version = null;

	constructor(api) {
		super();
		this.#api = api;
		document.addEventListener("visibilitychange", () => this.ask());
	}

	/** Asks now, and from then on again and again. */
	async ask() {
		clearTimeout(this.#timer);
		if (document.hidden || this.#asking) return;
		this.#asking = true;
		const asked = ["board", "pipelines", "cameras", "sessions"].map((list) => this.#api.get(`v1/${list}`));
		const answers = await Promise.allSettled(asked);
		this.#asking = false;
		if (answers.some(({ reason }) => reason?.status === 401)) return this.tell("unauthorized");
		this.#timer = setTimeout(() => this.ask(), EVERY_MS);
		const [board, ...lists] = answers.map(({ value }) => value);
		if (!board && !lists.some(Boolean)) {
			if (this.#reached) this.tell("unreachable");
			this.#reached = false;
			return;
		}
		if (!this.#reached) this.tell("reached");
		this.#reached = true;
		if (lists.every(Boolean)) this.tell("lists", Object.assign({}, ...lists));
		if (!board) return;
		setPairs(byId("board"), facts(board));
		if ((this.#version ??= board.version) !== board.version) this.tell("version", (this.#version = board.version));
	}
}

/** What is known, as names and values; what a board does not have is left out. */
function facts({ version, device, uptime_s, ready, reason, sessions, cameras, cpu, memory, temperatures, gpu }) {
	const warmest = Math.max(...temperatures.map(({ celsius }) => celsius));
	const known = (value, text) => (Number.isFinite(value) ? text : null);
	return [
		["Ready", ready ? "yes" : reason],
		["Version", version],
		["Runs on", device],
		["Running for", duration(uptime_s)],
		["Sessions", sessions.clients + (sessions.limit === null ? "" : ` of ${sessions.limit}`)],
		["Cameras up", `${cameras.up} of ${cameras.total}`],
		["CPU load", known(cpu.load1, `${Math.round((cpu.load1 / cpu.cores) * 100)} %`)],
		["Memory free", known(memory.available_bytes, bytes(memory.available_bytes))],
		["Warmest", known(warmest, `${Math.round(warmest)} °C`)],
		["GPU load", known(gpu?.load_ratio, `${Math.round(gpu?.load_ratio * 100)} %`)],
	].filter(([, value]) => value !== null);
}
