// Answers one question a line: what a call yields, or its cost in nanoseconds over `count` calls.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const O = await import(pathToFileURL(process.argv[2]));
const KEY = new TextEncoder().encode("12345678901234567890");
const compiled = new Map(); // what is hot stays so

function compile(call, names) {
  const text = JSON.stringify([call, names]);
  if (!compiled.has(text)) {
    const body = `return [() => (${call}), (count) => { for (let i = 0; i < count; i++) ${call}; }]`;
    const make = new Function("O", "KEY", ...Object.keys(names), body);
    compiled.set(text, make(O, KEY, ...Object.values(names)));
  }
  return compiled.get(text);
}

function answer({ call, names = {}, count }) {
  const [once, often] = compile(call, names);
  if (count === undefined) return once();
  const start = process.cpuUsage();
  often(count);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / count;
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = { is: answer(JSON.parse(line)) };
  } catch (error) {
    reply = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
