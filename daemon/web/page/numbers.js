// The figures beside the picture. Pure: the clock is handed in, and only differences of it count.

const WINDOW_MS = 5000;
const MOST_TIMES = 600;
/** Seconds that the chart shows. */
export const CHART_S = 60;

/** Rates over the last seconds, from counters that only grow. */
export class Rates {
	#samples = [];

	/** Takes the counters as they are at `now`. */
	add(now, counters) {
		const last = this.#samples.at(-1);
		// Over a pause, or where the clock jumped, a rate would mean nothing.
		if (last && (now - last.now > WINDOW_MS || now < last.now)) this.#samples = [];
		this.#samples.push({ now, counters });
		if (now - this.#samples[0].now > WINDOW_MS) this.#samples.shift();
	}

	/** What a counter grows by in a second; null as long as that is not known. */
	of(key) {
		const [first, last] = [this.#samples[0], this.#samples.at(-1)];
		if (!first || last.now <= first.now) return null;
		return ((last.counters[key] - first.counters[key]) * 1000) / (last.now - first.now);
	}
}

/** The times from frames to their results: over the last replies, and second by second. */
export class ReplyTimes {
	#times = [];
	#second = [];
	/** `{p50, p99}`, or null where there was no reply, for each of the last seconds. */
	seconds = [];

	add(took) {
		this.#times.push(took);
		this.#second.push(took);
		if (this.#times.length > MOST_TIMES) this.#times.shift();
	}

	tick() {
		this.seconds.push(percentiles(this.#second));
		if (this.seconds.length > CHART_S) this.seconds.shift();
		this.#second = [];
	}

	get now() {
		return percentiles(this.#times);
	}
}

/** The smallest of the values that at least half, and 99 of 100, do not exceed. */
export function percentiles(values) {
	if (values.length === 0) return null;
	const sorted = Float64Array.from(values).sort();
	const at = (share) => sorted[Math.ceil(sorted.length * share) - 1];
	return { p50: at(0.5), p99: at(0.99) };
}

/** Bytes in the unit that fits: `1.2 MB`. */
export function bytes(count) {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let unit = 0;
	for (; count >= 999.5 && unit < 4; unit += 1) count /= 1000;
	return `${unit === 0 || count >= 99.5 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

/** A duration in its largest unit: `3 d`. */
export function duration(seconds) {
	for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
		if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
	}
	return `${Math.floor(seconds)} s`;
}

/** Milliseconds as one reads them: `8.4 ms`, `120 ms`, `2.3 s`. */
export function milliseconds(value) {
	if (value >= 999.5) return `${(value / 1000).toFixed(1)} s`;
	return `${value >= 9.95 ? Math.round(value) : value.toFixed(1)} ms`;
}
