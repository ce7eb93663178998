/** What ends a connection: the board's error codes, and the client's own. */

/** Close codes after which another try may help, where no error message said so: leaving, lost, failed, restarting, busy. */
export const PASSING = new Set([1001, 1006, 1011, 1012, 1013, 1014]);

export const ERRORS = Object.freeze({
	// Of the board.
	invalid_pipeline: { meaning: "The board has no pipeline of this id.", retry: false },
	too_many_sessions: { meaning: "The board serves as many clients as it may.", retry: true },
	invalid_message: { meaning: "Something other than a frame was sent.", retry: false },
	invalid_frame: { meaning: "A frame was no JPEG that the board can read.", retry: false },
	frame_too_large: { meaning: "A frame had more bytes than the board takes.", retry: false },
	pipeline_failure: { meaning: "The pipeline failed on a frame.", retry: true },
	internal_error: { meaning: "Something failed on the board.", retry: true },
	unauthorized: { meaning: "The board requires a token, and this is not it.", retry: false },
	shutting_down: { meaning: "The board's service stops or restarts.", retry: true },
	not_found: { meaning: "The board has nothing of this name to watch.", retry: false },
	// Of this client.
	connection_lost: { meaning: "The connection was lost, or cannot be made.", retry: true },
	connection_closed: { meaning: "The connection was closed without a reason.", retry: false },
	not_allowed: { meaning: "The browser does not allow this connection.", retry: false },
	protocol_error: { meaning: "Something other than the board's service answers.", retry: false },
	not_connected: { meaning: "The client is not connected.", retry: false },
	closed: { meaning: "The client was closed.", retry: false },
});

export class StreamError extends Error {
	constructor(code, detail = "", closeCode = undefined) {
		super(detail ? `${code}: ${detail}` : code);
		this.name = "StreamError";
		this.code = code;
		this.detail = detail;
		this.closeCode = closeCode;
		this.meaning = ERRORS[code]?.meaning ?? "An error that this client does not know.";
		this.retry = ERRORS[code]?.retry ?? false;
	}
}
