// Asking the board, with the token where one is needed.

/** Where the board is: a proxy may serve it below a path of its own, so every address starts from this module's. */
export const BOARD = new URL("..", import.meta.url);

/** A name under which this browser keeps something of this board; others may be below other paths of the same host. */
export function keptAs(name) {
	return `forgesyted.${name}${BOARD.pathname === "/" ? "" : `@${BOARD.pathname}`}`;
}

const STORED = keptAs("token");

/** The token stays until the tab is closed, and out of the address bar. */
export class Api {
	#token = "";

	constructor() {
		try {
			this.#token = sessionStorage.getItem(STORED) ?? "";
		} catch {
			// A browser that stores nothing asks each time.
		}
	}

	get token() {
		return this.#token;
	}

	set token(token) {
		this.#token = token;
		try {
			sessionStorage.setItem(STORED, token);
		} catch {
			// As above.
		}
	}

	/** @param path such as `v1/board`, without a slash before it */
	async get(path) {
		const headers = this.#token === "" ? {} : { Authorization: `Bearer ${this.#token}` };
		const response = await fetch(new URL(path, BOARD), { headers, signal: AbortSignal.timeout(10_000) });
		if (!response.ok) throw Object.assign(new Error(`${path} answers ${response.status}`), { status: response.status });
		return response.json();
	}

	/** An address of the board for what can send no header: pictures and WebSockets. */
	url(path, query) {
		const url = new URL(path, BOARD);
		if (path.startsWith("ws/")) url.protocol = url.protocol.replace("http", "ws");
		if (this.#token !== "") url.searchParams.set("token", this.#token);
		for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
		return url.href;
	}
}
