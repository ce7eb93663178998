// Asking the board, with the token where one is needed.

const STORED = "forgesyted.token";

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

	async get(path) {
		const headers = this.#token === "" ? {} : { Authorization: `Bearer ${this.#token}` };
		const response = await fetch(path, { headers, signal: AbortSignal.timeout(10_000) });
		if (!response.ok) throw Object.assign(new Error(`${path} answers ${response.status}`), { status: response.status });
		return response.json();
	}

	/** An address of the board for what can send no header: pictures and WebSockets. */
	url(path, query) {
		const url = new URL(path, location.href);
		if (path.startsWith("/ws/")) url.protocol = location.protocol.replace("http", "ws");
		if (this.#token !== "") url.searchParams.set("token", this.#token);
		for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
		return url.href;
	}
}
