/** Types of forgesyte.js: streams JPEG frames to a forgesyted board and takes its results. */

/** `idle` before `connect()`, `closed` after `close()` or an error that another try cannot help. */
export type StreamState = "idle" | "connecting" | "open" | "reconnecting" | "closed";

/** The answer to a frame: its result, or that it gave way to a newer one. Frames count from 1 in each connection. */
export type Reply =
	| { frameIndex: number; result: Record<string, unknown>; dropped?: undefined; skipped?: undefined }
	| { frameIndex: number; dropped: true; result?: undefined; skipped?: undefined };

/** A frame that was not sent, since there is no connection yet, it is not due, or `maxWaiting` or `maxBuffered` is reached. */
export interface Skipped {
	skipped: "connecting" | "rate" | "waiting" | "buffer";
	frameIndex?: undefined;
	result?: undefined;
	dropped?: undefined;
}

/** Milliseconds. */
export interface Clock {
	now(): number;
	setTimeout(callback: () => void, delay: number): unknown;
	clearTimeout(timer: unknown): void;
}

export interface StreamOptions {
	/** `http(s)://` or `ws(s)://`, host and port of the board; a path where a proxy serves it below one. Default: where this module came from, if that is the page's own origin and the path a board's; or else that origin. */
	url?: string | URL;
	/** The pipeline's id. */
	pipeline?: string;
	/** The access token, where one is required. It goes into the query: browsers set no headers on a WebSocket. */
	token?: string;
	/** Whether a lost connection is made again. Default: true. */
	reconnect?: boolean;
	/** Whether the rate follows what the board can bear. Default: true. */
	adaptRate?: boolean;
	/** Default: 30. */
	maxFps?: number;
	/** Most unanswered frames. Default: 10. */
	maxWaiting?: number;
	/** Most bytes that wait in the socket when a frame is sent. Default: 1 MiB. */
	maxBuffered?: number;
	/** Milliseconds to connect. Default: 10 s. */
	connectTimeout?: number;
	/** Milliseconds without a reply while one is due; then the connection counts as lost. 0: for ever. Default: 30 s. */
	replyTimeout?: number;
	/** Default: the global one. */
	WebSocket?: unknown;
	/** For tests, as is `random`. */
	clock?: Partial<Clock>;
	random?: () => number;
}

/** What an error code means, and whether another try may help. */
export interface ErrorMeaning {
	readonly meaning: string;
	readonly retry: boolean;
}

export class StreamError extends Error {
	constructor(code: string, detail?: string, closeCode?: number);
	/** The board's error code, or one of the client's own; `StreamClient.errors` lists both. */
	code: string;
	/** One sentence of this case; may be empty. */
	detail: string;
	/** What the code means. */
	meaning: string;
	retry: boolean;
	/** The WebSocket's, where a connection ended. */
	closeCode: number | undefined;
}

export interface StreamEvents {
	/** A board that refuses pipeline or token says so right after it. */
	open: CustomEvent<null>;
	/** A connection ended; `final`: none follows by itself. */
	close: CustomEvent<{ code: number; error: StreamError; final: boolean }>;
	result: CustomEvent<{ frameIndex: number; result: Record<string, unknown> }>;
	dropped: CustomEvent<{ frameIndex: number; dropped: true }>;
	/** Either of these two. */
	reply: CustomEvent<Reply>;
	/** The board is behind; `fps` is the rate after it. */
	slowdown: CustomEvent<{ fps: number }>;
	/** Why a connection ended that was not closed on purpose. */
	error: CustomEvent<StreamError>;
	state: CustomEvent<{ state: StreamState }>;
	/** The next try comes after `delay` milliseconds; `attempt` counts from 1. */
	reconnecting: CustomEvent<{ delay: number; attempt: number; error: StreamError }>;
	/** The rate changed by what is worth showing. */
	ratechange: CustomEvent<{ fps: number }>;
}

/** Ends when the client is closed, and throws the StreamError that ended it otherwise. */
export interface Replies extends AsyncIterableIterator<Reply> {
	/** Replies thrown away, oldest first, that were not taken in time. */
	missed: number;
}

/** One connection after the other to one pipeline of one board. */
export class StreamClient extends EventTarget {
	constructor(options?: StreamOptions);
	/** What each error code means. */
	static readonly errors: Readonly<Record<string, ErrorMeaning>>;

	readonly state: StreamState;
	/** The rate now. */
	readonly fps: number;
	/** Frames, over all connections, as are the next. */
	readonly sent: number;
	/** Drops included. */
	readonly answered: number;
	readonly dropped: number;
	/** Given to `sendFrame` and not sent. */
	readonly skipped: number;
	readonly slowdowns: number;
	readonly bytesSent: number;
	/** Frames that are unanswered. */
	readonly waiting: number;
	readonly bufferedAmount: number;
	/** Why the last connection ended; undefined while one is open. */
	readonly lastError: StreamError | undefined;

	/** Resolves when open. Goes on trying where that may help, and rejects where not. While reconnecting: tries at once. */
	connect(): Promise<void>;
	/** What is unanswered stays so: wait for it first. `connect()` may follow. */
	close(): void;
	/** Whether a frame would be sent now. Ask before you make one. */
	canSend(): boolean;
	/** Resolves to true as soon as `canSend()` holds, and to false when the client is idle or closed. */
	ready(): Promise<boolean>;
	/** Sends a JPEG. Rejects with a StreamError when the connection ends before the reply; that may be left unhandled. */
	sendFrame(frame: Blob | ArrayBuffer | ArrayBufferView): Promise<Reply | Skipped>;
	/** Replies from now on; the newest `limit` (64) wait for a slow reader. */
	results(options?: { limit?: number }): Replies;

	addEventListener<K extends keyof StreamEvents>(
		type: K,
		listener: (this: StreamClient, event: StreamEvents[K]) => unknown,
		options?: boolean | AddEventListenerOptions,
	): void;
	addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
	removeEventListener<K extends keyof StreamEvents>(
		type: K,
		listener: (this: StreamClient, event: StreamEvents[K]) => unknown,
		options?: boolean | EventListenerOptions,
	): void;
	removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

export class FPSThrottler {
	/** `getTime`: milliseconds; may jump. */
	constructor(maxFps: number, getTime?: () => number);
	/** Milliseconds until a frame is due; 0 when one is. */
	readonly wait: number;
	/** Calls it, and returns true, only when a frame is due. */
	throttle(callback: () => void): boolean;
	setMaxFps(maxFps: number): void;
}
