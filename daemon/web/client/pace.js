/** How many frames a second: what is due, and what the board can bear. */

/** Of the maximum, what the rate climbs back in a second. */
const CLIMB = 1 / 20;
/** The rate does not climb for so long after a drop. */
const QUIET_MS = 2000;
const LEAST_FPS = 1;

export class FPSThrottler {
	#interval;
	#last = -Infinity;
	#getTime;

	constructor(maxFps, getTime = () => performance.now()) {
		this.#getTime = getTime;
		this.setMaxFps(maxFps);
	}

	setMaxFps(maxFps) {
		if (!(maxFps > 0 && maxFps < Infinity)) throw new RangeError(`maxFps is a number above 0, and not ${maxFps}`);
		this.#interval = 1000 / maxFps;
	}

	/** Milliseconds until a frame is due; 0 when it is. A clock that was set back holds nothing up. */
	get wait() {
		const passed = this.#getTime() - this.#last;
		return passed < 0 ? 0 : Math.max(0, this.#interval - passed);
	}

	throttle(callback) {
		if (this.wait > 0) return false;
		const now = this.#getTime();
		const due = this.#last + this.#interval;
		// What comes a little late does not put off all that follow: the rate is met by callers with a beat of their own.
		this.#last = now - due < this.#interval / 4 && due <= now ? due : now;
		callback();
		return true;
	}
}

/** The rate that the board can bear, as far as its answers tell. */
export class Rate {
	#max;
	#adapt;
	#cutAt = 0;
	#dropSinceCut = true;
	#quietFrom = 0;
	#last = 0;

	constructor(max, adapt) {
		this.fps = this.#max = max;
		this.#adapt = adapt;
	}

	/** Frames are numbered anew; the rate stays. */
	newSession() {
		this.#cutAt = 0;
		this.#dropSinceCut = true;
	}

	/** The board repeats its notice while old drops are in its window. One more cut only where the last was not enough. */
	slowDown(sent, now) {
		if (!this.#adapt || !this.#dropSinceCut) return;
		this.fps = Math.max(Math.min(LEAST_FPS, this.#max), this.fps / 2);
		this.#cutAt = sent;
		this.#dropSinceCut = false;
		this.#quietFrom = now;
	}

	dropped(frameIndex, now) {
		if (frameIndex <= this.#cutAt) return;
		this.#dropSinceCut = true;
		this.#quietFrom = now;
	}

	result(now) {
		// A clock that jumps, or a pause, is worth a second at most.
		const seconds = Math.min(1, Math.max(0, now - this.#last) / 1000);
		this.#last = now;
		if (now < this.#quietFrom) this.#quietFrom = now;
		if (now - this.#quietFrom >= QUIET_MS) this.fps = Math.min(this.#max, this.fps + this.#max * CLIMB * seconds);
	}
}
