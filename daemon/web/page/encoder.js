// Makes JPEGs on a thread of its own: takes `{bitmap, width, height, quality}`; gives `{jpeg, picture}`, or `{error}`.

const canvas = new OffscreenCanvas(1, 1);
// The encoder reads from memory: a canvas on the GPU would be copied back for each frame.
const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });

onmessage = async ({ data: { bitmap, width, height, quality } }) => {
	try {
		if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
		context.drawImage(bitmap, 0, 0, width, height);
		const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
		const jpeg = await blob.arrayBuffer();
		const picture = await createImageBitmap(canvas);
		postMessage({ jpeg, picture }, [jpeg, picture]);
	} catch (error) {
		postMessage({ error: error.message });
	} finally {
		bitmap.close();
	}
};
