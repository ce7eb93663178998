// The stream's figures: counted here, and what the board says of our session.

import { drawChart } from "./chart.js";
import { byId, setPairs } from "./dom.js";
import { bytes, milliseconds, Rates, ReplyTimes } from "./numbers.js";

/** Seconds by which board and page may differ on a session's age. */
const TOLERANCE_S = 3;

/** Of the board's sessions the only one that can be ours by all that both know; null where none or several can. */
export function ownSession(sessions, { pipeline, ageS, sent, answered }) {
	const possible = sessions.filter(
		(session) =>
			session.source === "websocket" &&
			session.pipeline_id === pipeline &&
			Math.abs(session.duration_s - ageS) <= TOLERANCE_S &&
			session.frame_index >= answered &&
			session.frame_index <= sent,
	);
	return possible.length === 1 ? possible[0] : null;
}

export class Figures {
	#client = null;
	#pipeline;
	#openedAt;
	/** The client's counters when the session began: they go on over sessions. */
	#before;
	#session = null;
	#rates = new Rates();
	#times = new ReplyTimes();

	constructor() {
		setInterval(() => this.#tick(), 1000);
		const draw = () => drawChart(byId("chart"), this.#times.seconds);
		new ResizeObserver(draw).observe(byId("chart"));
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
		this.#write();
	}

	/** Counts this client's frames from now on. With null, the figures of the last one stay. */
	follow(client, pipeline) {
		this.#client = client;
		this.#session = null;
		if (client === null) return;
		this.#pipeline = pipeline;
		this.#rates = new Rates();
		this.#times = new ReplyTimes();
		client.addEventListener("open", () => {
			this.#openedAt = performance.now();
			this.#before = { sent: client.sent, answered: client.answered };
			this.#session = null;
		});
	}

	took(time) {
		this.#times.add(time);
	}

	find(sessions) {
		const client = this.#client;
		if (client?.state !== "open") return;
		const ageS = (performance.now() - this.#openedAt) / 1000;
		const { sent, answered } = this.#before;
		// The list may be a second or two old by now.
		const least = client.answered - answered - 2 * client.fps;
		this.#session = ownSession(sessions, { pipeline: this.#pipeline, ageS, sent: client.sent - sent, answered: least });
	}

	#tick() {
		if (document.hidden || this.#client === null) return;
		const { sent, answered, dropped } = this.#client;
		this.#rates.add(performance.now(), { sent, answered, dropped });
		this.#times.tick();
		this.#write();
		drawChart(byId("chart"), this.#times.seconds);
	}

	#write() {
		const client = this.#client;
		const rate = (key) => this.#rates.of(key)?.toFixed(1) ?? "–";
		const times = this.#times.now;
		const [p50, p99] = times ? [times.p50, times.p99].map(milliseconds) : ["–", "–"];
		setPairs(byId("rates"), [
			["Sent a second", rate("sent")],
			["Answered", rate("answered")],
			["Dropped", rate("dropped")],
			["Reply p50", p50],
			["Reply p99", p99],
			["Rate now", client ? `${client.fps.toFixed(1)} / s` : "–"],
			["Backpressure", this.#session?.backpressure_state ?? "–"],
			["Slow-downs", `${client?.slowdowns ?? 0}`],
			["Data sent", bytes(client?.bytesSent ?? 0)],
		]);
		byId("chart").setAttribute("aria-label", `Reply times of the last minute; now p50 ${p50}, p99 ${p99}`);
	}
}
