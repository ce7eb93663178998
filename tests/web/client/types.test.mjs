/** forgesyte.d.ts says what forgesyte.js has. TypeScript comes by NODE_PATH. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import test from "node:test";

const ts = createRequire(import.meta.url)("typescript");
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const options = {
  strict: true,
  noEmit: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ES2022,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts"],
};

test("a strict program that uses the types compiles", () => {
  const program = ts.createProgram([path("usage.ts")], options);
  const problems = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
  assert.deepEqual(problems, []);
});

/** The exported classes of a file, each with its own members: those of its instances, and static ones. */
function classes(file) {
  const program = ts.createProgram([file], { ...options, allowJs: true, checkJs: false });
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const found = {};
  for (let symbol of exported) {
    if (symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
    if (!(symbol.flags & ts.SymbolFlags.Class)) continue;
    const own = (type) => type.getProperties().filter(({ name, declarations, flags }) => {
      const inherited = declarations?.every((declaration) => program.isSourceFileDefaultLibrary(declaration.getSourceFile()));
      return !name.startsWith("#") && !name.startsWith("__#") && !inherited && !(flags & ts.SymbolFlags.Prototype);
    }).map(({ name }) => name).sort();
    found[symbol.name] = {
      instance: own(checker.getDeclaredTypeOfSymbol(symbol)),
      static: own(checker.getTypeOfSymbol(symbol)),
    };
  }
  return found;
}

test("classes and members are the same in both files", () => {
  const declared = classes(path("../../../daemon/web/client/forgesyte.d.ts"));
  const written = classes(path("../../../daemon/web/client/forgesyte.js"));
  assert.deepEqual(Object.keys(declared).sort(), ["FPSThrottler", "StreamClient", "StreamError"]);
  assert.ok(declared.StreamClient.instance.length > 15, String(declared.StreamClient.instance));
  // Listeners are EventTarget's; the types only say what they hear. A throwing name is set, not declared, in a class of JavaScript.
  const heard = ["addEventListener", "removeEventListener"];
  declared.StreamClient.instance = declared.StreamClient.instance.filter((name) => !heard.includes(name));
  written.StreamError.instance = written.StreamError.instance.filter((name) => name !== "name");
  assert.deepEqual(written, declared);
});

test("every option and every event of the types is in the code", () => {
  const [types, code] = ["d.ts", "js"].map((end) => readFileSync(path(`../../../daemon/web/client/forgesyte.${end}`), "utf8"));
  const names = (text, pattern) => [...text.matchAll(pattern)].map(([, name]) => name);
  const members = (name) => names(types.match(new RegExp(`interface ${name} {\n([^]*?)\n}`))[1], /^\t(\w+)\??:/gm);
  const [, taken, defaults] = code.match(/const { (.*), \.\.\.rest } = options;[^]*?this\.#options = {([^]*?)\.\.\.rest/);
  const clock = names(code, /\.\.\.options\.(\w+)/g);
  assert.deepEqual([...taken.split(", "), ...names(defaults, /^\s+(\w+):/gm), ...clock].sort(), members("StreamOptions").sort());
  const told = names(code, /#emit\(([^,)]*)/g).flatMap((argument) => names(argument, /"(\w+)"/g));
  assert.deepEqual([...new Set(told)].sort(), members("StreamEvents").sort());
});
