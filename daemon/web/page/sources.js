// Where this device's pictures come from: its camera, a video, a picture. Each has `preview` (an element that shows it, or null),
// `start(onPicture)`, `grab()` for the picture of now, `stop()`, and an event `lost` when it ends by itself.

import { Teller } from "./dom.js";

/** Of a picture file; decoding takes 4 bytes a pixel. */
const MAX_MEGAPIXELS = 64;

/** Why there is no source, and what to do. */
export class SourceError extends Error {
	constructor(message, advice, code) {
		super(message);
		Object.assign(this, { advice, code });
	}
}

/** This device's camera of an id, or one that faces the `user` or the `environment`, or any; with about this `width`. */
export async function openCamera(choice, width) {
	const devices = navigator.mediaDevices;
	if (!devices) throw new SourceError("This page gets no camera here.", "Take a file, or a camera of the board.");
	const facing = choice === "user" || choice === "environment";
	const device = choice === "" ? {} : facing ? { facingMode: choice } : { deviceId: { exact: choice } };
	let source;
	try {
		const stream = await devices.getUserMedia({ video: { ...device, width: { ideal: width } } });
		const tracks = stream.getTracks();
		source = new VideoSource({ srcObject: stream }, () => tracks.forEach((track) => track.stop()));
		const lose = () => source.lose("The camera was taken away.", "Plug it in, or permit it again, then retry.");
		for (const track of tracks) track.onended = lose;
		await source.preview.play();
		return source;
	} catch (error) {
		source?.stop();
		const [title, advice] = CAMERA_ERRORS[error.name] ?? ["The camera cannot be opened.", error.message];
		throw new SourceError(title, advice, error.name);
	}
}

const CAMERA_ERRORS = {
	NotAllowedError: ["The camera was not permitted.", "Allow it beside the address, and in the system’s settings; then retry."],
	NotFoundError: ["There is no camera here.", "Plug one in, then retry; or take another source."],
	OverconstrainedError: ["The chosen camera is not there.", "Choose another one."],
	NotReadableError: ["The camera cannot be opened.", "Close the program that is using it, then retry."],
};

export async function openFile(file, width) {
	if (file === null) throw new SourceError("No file is chosen.", "Choose a picture or a video, or drop one on the picture.");
	if (file.type.startsWith("video/")) return openVideo(file);
	const picture = openPicture(file, width);
	if (file.type.startsWith("image/")) return picture;
	return picture.catch((error) => (error.code === "too_large" ? Promise.reject(error) : openVideo(file)));
}

async function openVideo(file) {
	const url = URL.createObjectURL(file);
	const source = new VideoSource({ src: url, loop: true }, () => URL.revokeObjectURL(url));
	const video = source.preview;
	await new Promise((resolve) => (video.onloadeddata = video.onerror = resolve));
	// One with sound only, or in a codec that is not there, has no width.
	const played = video.videoWidth > 0 && (await video.play().then(() => true, () => false));
	if (!played) {
		source.stop();
		throw new SourceError(
			`This browser cannot play ${file.name} (${file.type || "of no known type"}).`,
			"Most play WebM, and MP4 with H.264.",
		);
	}
	video.onerror = () => source.lose("The video stopped playing.", "The file is damaged or was changed.");
	return source;
}

/** A picture, made `width` wide where it is wider: once, and not for every frame. */
async function openPicture(file, width) {
	const image = new Image();
	image.src = URL.createObjectURL(file);
	try {
		// This reads its size; nothing is decoded yet.
		await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject }));
		const megapixels = Math.round((image.naturalWidth * image.naturalHeight) / 1e6);
		if (megapixels > MAX_MEGAPIXELS) {
			const size = `${image.naturalWidth} × ${image.naturalHeight} are ${megapixels} megapixels`;
			throw new SourceError(`${file.name} is too large: ${size}.`, `Up to ${MAX_MEGAPIXELS} will do: make it smaller first.`, "too_large");
		}
		const resizeWidth = Math.min(image.naturalWidth || width, width);
		return new PictureSource(await createImageBitmap(image, { resizeWidth, resizeQuality: "high" }));
	} catch (error) {
		if (error instanceof SourceError) throw error;
		const title = `This browser cannot show ${file.name} (${file.type || "of no known type"}).`;
		throw new SourceError(title, "Take a JPEG, PNG or WebP picture, or a video.");
	} finally {
		URL.revokeObjectURL(image.src);
	}
}

/** A video element, which tells of each new picture. */
class VideoSource extends Teller {
	#stopped = false;
	#release;

	constructor(properties, release) {
		super();
		this.preview = Object.assign(document.createElement("video"), { muted: true, playsInline: true, ...properties });
		this.#release = release;
	}

	start(onPicture) {
		const video = this.preview;
		const step = () => {
			if (this.#stopped) return;
			if (video.readyState >= 2) onPicture();
			next();
		};
		const next = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(step) : requestAnimationFrame(step));
		next();
	}

	/** The picture of now; the caller closes it. */
	grab() {
		return createImageBitmap(this.preview);
	}

	stop() {
		this.#stopped = true;
		this.preview.onerror = null;
		this.preview.removeAttribute("src");
		this.preview.srcObject = null;
		this.#release();
	}

	lose(title, advice) {
		if (!this.#stopped) this.tell("lost", new SourceError(title, advice));
	}
}

class PictureSource extends Teller {
	preview = null;
	#bitmap;
	#request;

	constructor(bitmap) {
		super();
		this.#bitmap = bitmap;
	}

	start(onPicture) {
		const step = () => {
			this.#request = requestAnimationFrame(step);
			onPicture();
		};
		step();
	}

	grab() {
		return createImageBitmap(this.#bitmap);
	}

	stop() {
		cancelAnimationFrame(this.#request);
		this.#bitmap.close();
	}
}
