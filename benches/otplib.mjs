// What compare.py asks of node's otplib: one line in, one line out, both JSON.
// {"answer": expression, "names": {…}} gives its value; {"time": expression, "names": {…}, "count": n} the nanoseconds
// of CPU for each of n calls.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const o = require("otplib");
const KEY = o.stringToBytes("12345678901234567890");

const compiled = new Map();
function compile(expression, names) {
  const key = JSON.stringify([expression, names]);
  if (!compiled.has(key)) {
    const parameters = ["o", "KEY", ...Object.keys(names)];
    const values = [o, KEY, ...Object.values(names)];
    const once = new Function(...parameters, `return ${expression}`);
    const many = new Function("$n", ...parameters, `let $r; for (let i = 0; i < $n; i++) $r = ${expression}; return $r`);
    compiled.set(key, { once: () => once(...values), many: (n) => many(n, ...values) });
  }
  return compiled.get(key);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { answer, time, names, count } = JSON.parse(line);
  let result;
  if (answer) {
    result = compile(answer, names).once();
  } else {
    const { many } = compile(time, names);
    const start = process.cpuUsage();
    many(count);
    const { user, system } = process.cpuUsage(start);
    result = ((user + system) * 1000) / count;
  }
  console.log(JSON.stringify(result));
}
