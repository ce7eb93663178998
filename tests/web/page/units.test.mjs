// The page's pure parts, as tables.

import assert from "node:assert/strict";
import test from "node:test";

import { ownSession } from "../../../daemon/web/page/figures.js";
import { marks, oneLine, tally } from "../../../daemon/web/page/marks.js";
import { bytes, duration, milliseconds, percentiles, Rates, ReplyTimes } from "../../../daemon/web/page/numbers.js";
import { sentSize } from "../../../daemon/web/page/streamer.js";
import { values } from "../../../daemon/web/page/values.js";

const one = (detection) => marks({ detections: [detection] })[0];

test("boxes are put in order; what is none is left out", () => {
  for (const [box, expected] of [
    [[10, 20, 30.5, 40], [10, 20, 30.5, 40]],
    [[30, 40, 10, 20], [10, 20, 30, 40]],
    [[-5, -5, 1000, 1e300], [-5, -5, 1000, 1e300]],
    [[null, 20, 30, 40], undefined],
    [["10", 20, 30, 40], undefined],
    [[10, 20, 30], undefined],
    [{ x: 1 }, undefined],
    [undefined, undefined],
  ]) {
    assert.deepEqual(one({ box })?.box, expected, JSON.stringify(box));
  }
  for (const result of [undefined, null, 7, "text", [], {}, { detections: null }, { detections: [null, 7, "x", []] }]) {
    assert.deepEqual(marks(result), []);
  }
});

test("labels say what there is, in one line", () => {
  for (const [detection, expected] of [
    [{ label: "person", score: 0.934, class_id: 0 }, "person 0.93"],
    [{ class_id: 7, score: 1 }, "class 7 1.00"],
    [{ label: "plate", score: 0.5, track_id: 12, text: "AB\n123" }, "plate 0.50 #12 AB 123"],
    [{ text: "STOP", track_id: "x" }, "#x STOP"],
    [{ score: null, label: 7 }, ""],
    [{ label: "x".repeat(10_000), text: "ü".repeat(10_000), track_id: "y".repeat(10_000) }, /^x{22}\.\. #y{10}\.\. ü{7}\.\.$/],
  ]) {
    const { label } = one({ box: [1, 2, 3, 4], ...detection });
    if (expected instanceof RegExp) assert.match(label, expected);
    else assert.equal(label, expected);
    assert.ok(label.length <= 48);
  }
  for (const [text, most, expected] of [["straße", 6, "straße"], ["straßen", 6, "stra.."], ["a\u0007b\r\nc", 10, "a b  c"], ["", 2, ""], ["👍👍👍👍", 3, "👍.."]]) {
    assert.equal(oneLine(text, most), expected);
  }
});

test("a class has one colour: the one that the board draws it in", () => {
  const colour = (detection) => one({ box: [1, 2, 3, 4], ...detection }).colour;
  // By the palette of daemon/engine/src/pipeline/overlay/marks.rs; labels by the remainder of their FNV-1a, worked out elsewhere.
  for (const [detection, expected] of [
    [{ class_id: 0 }, "#42d63c"], [{ class_id: 9 }, "#96785a"], [{ label: "car" }, "#96785a"], [{ label: "person" }, "#ffd60a"],
    [{ label: "straße" }, "#aac428"],
  ]) {
    assert.equal(colour(detection), expected);
  }
  assert.equal(colour({ class_id: 3, label: "a" }), colour({ class_id: 13, label: "b" }));
  assert.notEqual(colour({ class_id: 3 }), colour({ class_id: 4 }));
  assert.equal(colour({ class_id: -1 }), colour({ class_id: 5 }), "as the 64-bit number that it wraps to");
  assert.equal(colour({ label: "car" }), colour({ label: "car" }));
  assert.notEqual(colour({ label: "car" }), colour({ label: "person" }));
  for (const odd of [{ class_id: 1e300 }, { class_id: NaN }, {}, { label: "" }, { label: "é".repeat(100) }]) {
    assert.match(colour(odd), /^#[0-9a-f]{6}$/);
  }
});

test("masks are outlines, bounded in all", () => {
  const square = [[1, 2], [3, 2], [3, 4]];
  assert.deepEqual(one({ polygon: square }).polygons, [square]);
  assert.deepEqual(one({ polygons: [square, square] }).polygons, [square, square]);
  assert.deepEqual(one({ polygon: [[1, 2], "x", [1], [null, 2], [5, 6]] }).polygons, [[[1, 2], [5, 6]]]);
  const many = marks({ detections: Array(600).fill({ box: [1, 2, 3, 4], polygon: Array(1000).fill([1, 2]) }) });
  assert.equal(many.length, 500);
  assert.equal(many.reduce((sum, { polygons }) => sum + polygons.flat().length, 0), 4000);
});

test("what was seen is told by class, the most first", () => {
  const box = [1, 2, 3, 4];
  const seen = marks({ detections: [{ box, label: "a" }, { box, label: "b" }, { box, label: "b" }, { box, class_id: 3 }, { box }] });
  assert.deepEqual(tally(seen), [["b", 2], ["a", 1], ["class 3", 1], ["detection", 1]]);
});

test("a result's own values are shown, and no more than fit", () => {
  const result = {
    brightness: 0.123456, count: 7, covered: false, large: 1.5e9, larger: 1.5e300, small: -0.000012, zero: 0, nothing: null,
    verdict: "dark\nand blurred", rgb: [1, 0.5, null], detections: [{}], nested: [[1]], long: [1, 2, 3, 4, 5, 6, 7], none: [], object: {},
  };
  assert.deepEqual(values(result), [
    ["brightness", "0.123"], ["count", "7"], ["covered", "false"], ["large", "1500000000"], ["larger", "1.50e+300"], ["small", "-1.20e-5"],
    ["zero", "0"], ["nothing", "–"], ["verdict", "dark and blurred"], ["rgb", "1  0.500  –"],
  ]);
  const many = values(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`k${at}`, at])));
  assert.deepEqual([many.length, many.at(-1)], [25, ["…", "76 more"]]);
  for (const result of [null, undefined, 7, "x", [1, 2]]) assert.deepEqual(values(result), []);
  assert.ok(values({ ["k".repeat(1e6)]: "v".repeat(1e6) })[0].every((text) => text.length <= 120));
});

test("rates count by the clock, and begin anew where it jumps", () => {
  const rates = new Rates();
  assert.equal(rates.of("sent"), null);
  rates.add(1000, { sent: 10 });
  assert.equal(rates.of("sent"), null, "one look is no rate");
  rates.add(2000, { sent: 40 });
  rates.add(4000, { sent: 100 });
  assert.equal(rates.of("sent"), 30);
  for (let second = 5; second < 20; second += 1) rates.add(second * 1000, { sent: 100 });
  assert.equal(rates.of("sent"), 0, "what is long ago counts no more");
  rates.add(3_600_000, { sent: 200 });
  assert.equal(rates.of("sent"), null, "asleep for an hour");
  rates.add(3_601_000, { sent: 205 });
  assert.equal(rates.of("sent"), 5);
  rates.add(0, { sent: 205 });
  rates.add(1000, { sent: 206 });
  assert.equal(rates.of("sent"), 1, "set back");
});

test("percentiles of the replies, now and second by second, bounded", () => {
  assert.deepEqual(percentiles([5]), { p50: 5, p99: 5 });
  assert.deepEqual(percentiles(Array.from({ length: 100 }, (_, at) => 100 - at)), { p50: 50, p99: 99 });
  assert.equal(percentiles([]), null);
  const times = new ReplyTimes();
  assert.equal(times.now, null);
  for (let at = 0; at < 10_000; at += 1) times.add(at < 9_400 ? 1000 : 10);
  assert.deepEqual(times.now, { p50: 10, p99: 10 });
  for (let at = 0; at < 100; at += 1) times.tick();
  assert.deepEqual([times.seconds.length, times.seconds.at(-1)], [60, null]);
});

test("figures are short", () => {
  for (const [given, expected] of [[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [99_499, "99.5 kB"], [99_600, "100 kB"], [5_123_000, "5.1 MB"], [2e15, "2000 TB"]]) {
    assert.equal(bytes(given), expected);
  }
  for (const [given, expected] of [[0, "0 s"], [59.9, "59 s"], [60, "1 min"], [3725, "1 h"], [90_061, "1 d"], [864_000, "10 d"]]) {
    assert.equal(duration(given), expected);
  }
  for (const [given, expected] of [[0.04, "0.0 ms"], [8.44, "8.4 ms"], [9.96, "10 ms"], [120.4, "120 ms"], [999.6, "1.0 s"], [2300, "2.3 s"]]) {
    assert.equal(milliseconds(given), expected);
  }
});

test("our own session is told only where there is no doubt", () => {
  const session = { source: "websocket", pipeline_id: "scene", duration_s: 10, frame_index: 100 };
  const ours = { pipeline: "scene", ageS: 10.5, sent: 105, answered: 95 };
  assert.equal(ownSession([session], ours), session);
  for (const other of [{ source: "camera" }, { pipeline_id: "x" }, { duration_s: 20 }, { frame_index: 200 }, { frame_index: 90 }]) {
    assert.equal(ownSession([{ ...session, ...other }], ours), null, JSON.stringify(other));
    assert.equal(ownSession([{ ...session, ...other }, session], ours), session);
  }
  assert.equal(ownSession([session, { ...session }], ours), null);
});

test("a frame is as wide as asked, never wider than its picture, and keeps its shape", () => {
  for (const [width, height, most, expected] of [[1280, 720, 640, [640, 360]], [320, 240, 640, [320, 240]], [1080, 1920, 640, [640, 1138]], [4000, 1, 640, [640, 1]]]) {
    const size = sentSize({ width, height }, most);
    assert.deepEqual([size.width, size.height], expected);
  }
});
