/** An asynchronous iterator over replies, and the promise that it and the client are made of. */

/** Replies that an iterator keeps for its reader. */
const ITERATOR_REPLIES = 64;
const DONE = { value: undefined, done: true };

/** Replies for one reader: the newest ones, where it reads too slowly. */
export class Replies {
	#limit;
	#kept = [];
	#readers = [];
	#ended = false;
	#error;
	#leave;

	constructor(leave, limit = ITERATOR_REPLIES) {
		this.missed = 0;
		this.#limit = limit;
		this.#leave = leave;
	}

	push(reply) {
		const reader = this.#readers.shift();
		if (reader) return reader.resolve({ value: reply, done: false });
		this.#kept.push(reply);
		if (this.#kept.length > this.#limit) {
			this.#kept.shift();
			this.missed += 1;
		}
	}

	end(error) {
		this.#ended = true;
		const [first, ...others] = this.#readers.splice(0);
		if (!first) this.#error = error;
		else if (error) first.reject(error);
		else first.resolve(DONE);
		for (const reader of others) reader.resolve(DONE);
	}

	next() {
		if (this.#kept.length > 0) return Promise.resolve({ value: this.#kept.shift(), done: false });
		const error = this.#error;
		this.#error = undefined;
		if (error) return Promise.reject(error);
		if (this.#ended) return Promise.resolve(DONE);
		const reader = withResolvers();
		this.#readers.push(reader);
		return reader.promise;
	}

	return(value) {
		this.#leave();
		this.#kept = [];
		this.end();
		return Promise.resolve({ value, done: true });
	}

	[Symbol.asyncIterator]() {
		return this;
	}
}

export function withResolvers() {
	const resolvers = {};
	resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
	return resolvers;
}
