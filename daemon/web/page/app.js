// The page: what a person does, and what comes of it. Everything else is in the modules beside.

import { StreamClient } from "../client/forgesyte.js";
import { Api, BOARD } from "./api.js";
import { clearBanner, hasBanner, showBanner } from "./banners.js";
import { BoardCamera } from "./board-camera.js";
import { Board } from "./board.js";
import { byId, setText } from "./dom.js";
import { Figures } from "./figures.js";
import { Settings } from "./settings.js";
import { openCamera, openFile } from "./sources.js";
import { Stage } from "./stage.js";
import { Streamer } from "./streamer.js";

const api = new Api();
const board = new Board(api);
const settings = new Settings();
const stage = new Stage();
const figures = new Figures();

/** What runs: how to `stop`, `pause` and `resume` it; null when nothing does. */
let running = null;
let cameras = [];

function setState(text, state = "warn") {
	setText(byId("state"), text);
	byId("state").dataset.state = state;
	setText(byId("start"), running === null ? "Start" : "Stop");
}

async function start() {
	stop();
	["source", "back"].forEach(clearBanner);
	const chosen = settings.now;
	if (chosen.source === "board") return showBoardCamera(chosen);
	const opening = (running = { stop() {}, pause() {}, resume() {} });
	setState("Opening the source");
	try {
		const source = await (chosen.source === "file" ? openFile(chosen.file, chosen.width) : openCamera(chosen.device, chosen.width));
		// Something else was asked for in the meantime.
		if (running !== opening) return source.stop();
		stream(source, chosen);
		listDevices();
	} catch (error) {
		if (running === opening) sourceFailed(error);
	}
}

function stop() {
	const stopped = running;
	running = null;
	stopped?.stop();
	stage.preview(null);
	clearBanner("stream");
	setState("Not streaming", "idle");
}

function sourceFailed({ message, advice, code }) {
	stop();
	showBanner("source", { title: message, code, text: advice, actions: [["Retry", start]] });
}

/** The end of what runs: going on by itself would not help. */
function ended(error) {
	stop();
	showBanner("stream", { ...words(error), actions: [["Retry", start]] });
	if (error.code === "unauthorized") askToken();
}

function stream(source, chosen) {
	const client = new StreamClient({
		url: BOARD,
		pipeline: chosen.pipeline,
		token: api.token,
		maxFps: chosen.fps,
		adaptRate: chosen.adapt,
		// So many pictures are kept, until their replies come.
		maxWaiting: 8,
	});
	const streamer = new Streamer(source, client, chosen);
	const ours = {
		chosen,
		stop() {
			streamer.stop();
			client.close();
			figures.follow(null);
		},
		pause: showPaused,
		resume() {
			const { state, fps } = client;
			if (state !== "open") setState(state === "connecting" ? "Connecting" : "Connecting again");
			else if (fps < chosen.fps * 0.95) setState(`Streaming, slowed to ${fps.toFixed(1)} a second`);
			else setState("Streaming", "good");
		},
	};
	running = ours;
	figures.follow(client, chosen.pipeline);
	stage.preview(source.preview);
	const on = (target, type, listener) => target.addEventListener(type, ({ detail }) => running === ours && listener(detail));
	const showState = () => (document.hidden ? ours.pause() : ours.resume());
	let lost = false;
	on(client, "state", showState);
	on(client, "ratechange", showState);
	// Not at "open": a board that refuses opens first.
	on(client, "reply", () => {
		if (!lost) return;
		lost = false;
		clearBanner("stream");
		tellBack("back", "Connected again.");
	});
	on(client, "reconnecting", ({ delay, error }) => {
		lost = true;
		["back", "board"].forEach(clearBanner);
		const text = `${error.detail} Trying again in ${(delay / 1000).toFixed(1)} s.`;
		const reconnect = () => running === ours && client.connect().catch(() => {});
		showBanner("stream", { ...words(error), text, actions: [["Reconnect", reconnect]] });
	});
	on(client, "close", ({ error, final }) => final && ended(error));
	on(streamer, "result", ({ picture, reply, took }) => {
		figures.took(took);
		stage.show(picture, reply.frameIndex, reply.result);
	});
	on(streamer, "failed", sourceFailed);
	on(source, "lost", sourceFailed);
	client.connect().catch(() => {}); // told by events
	streamer.start();
}

const showPaused = () => setState("Paused: this tab is in the background");

const words = ({ code, meaning, detail }) => ({ title: meaning, code, text: detail });

function tellBack(matter, title) {
	showBanner(matter, { good: true, title, text: `Since ${new Date().toLocaleTimeString()}.` });
}

/** Shows a camera of the board, which captures and runs by itself. */
function showBoardCamera({ camera: name }) {
	const camera = cameras.find((listed) => listed.name === name);
	if (!camera) return sourceFailed(new Error("The board has no such camera."));
	const shown = new BoardCamera(api, camera);
	const ours = (running = {
		again() {
			const listed = cameras.find((camera) => camera.name === name);
			if (listed) shown.is(listed);
			else shown.start(); // the board says that there is none
		},
		stop: () => shown.stop(),
		pause() {
			showPaused();
			shown.stop();
		},
		resume: start,
	});
	const on = (type, listener) => shown.addEventListener(type, ({ detail }) => running === ours && listener(detail));
	on("result", ({ frame_index: frameIndex, result }) => stage.tell(frameIndex, result));
	on("up", () => {
		setState(`Showing ${name}`, "good");
		clearBanner("stream");
	});
	on("down", (error) => {
		if (error?.retry === false) return ended(error);
		setState("Connecting again");
		clearBanner("board");
		const { meaning = `There are no pictures of ${name}.`, code, detail = "" } = error ?? {};
		showBanner("stream", { title: meaning, code, text: `${detail} The page goes on trying.` });
	});
	setState(`Opening ${name}`);
	stage.preview(shown.image);
	shown.start();
}

async function listDevices() {
	settings.setDevices((await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []);
}

function askToken() {
	if (api.token !== "") setText(byId("ask-title"), "That is not the board’s token");
	if (!byId("ask").open) byId("ask").showModal();
}

byId("ask").onsubmit = (event) => {
	event.preventDefault();
	api.token = byId("token").value.trim();
	event.target.reset();
	byId("ask").close();
	clearBanner("stream");
	board.ask();
};

byId("start").onclick = () => (running === null ? start() : stop());
settings.addEventListener("change", ({ detail: name }) => {
	const { now } = settings;
	// The quality is the next frame's; everything else takes another stream.
	if (running?.chosen && name === "quality") Object.assign(running.chosen, now);
	else if (now.source === "file" && !now.file) stop();
	else if (running !== null || name === "file") start();
});

byId("stage").ondragover = (event) => event.preventDefault();
byId("stage").ondrop = (event) => {
	event.preventDefault();
	settings.drop(event.dataTransfer.files);
};

document.addEventListener("visibilitychange", () => (document.hidden ? running?.pause() : running?.resume()));

board.addEventListener("lists", ({ detail }) => {
	cameras = detail.cameras;
	settings.setPipelines(detail.pipelines);
	settings.setRefused(detail.rejections);
	settings.setCameras(cameras);
	figures.find(detail.sessions);
	running?.again?.();
});
board.addEventListener("unauthorized", askToken);
board.addEventListener("unreachable", () => {
	// The stream's banner says so already.
	if (hasBanner("stream")) return;
	showBanner("board", { title: "The board does not answer.", text: "The page goes on asking." });
});
board.addEventListener("reached", () => hasBanner("board") && tellBack("board", "The board answers again."));
board.addEventListener("version", ({ detail }) => {
	const actions = [["Reload", () => location.reload()]];
	showBanner("version", { good: true, title: "The board was updated.", text: `It runs version ${detail} now.`, actions });
});
navigator.mediaDevices?.addEventListener("devicechange", listDevices);

setText(byId("host"), location.host);
document.title = `forgesyted on ${location.hostname}`;
listDevices();
board.ask();
