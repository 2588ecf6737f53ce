// A Modbus PLC: npm modbus-serial with a program in front. PORT.
const { ServerTCP } = require("modbus-serial");
const readline = require("readline");
const say = (line) => process.stdout.write(line + "\n");

const port = Number(process.argv[2]);
const coils = new Array(64).fill(false);
const inputs = new Array(64).fill(false);
const holding = Buffer.alloc(2 * 100);
const registers = Buffer.alloc(2 * 100);
let requests = 0;

const places = {
  trigger: [inputs, 3], plc_bit: [coils, 15],
  ready: [coils, 8], busy: [coils, 9], result_valid: [coils, 10], passed: [coils, 11],
  rejected: [coils, 12], own_bit: [coils, 13], divert: [coils, 14], fault: [coils, 20],
};
const words = {
  heartbeat_in: [registers, 0], acknowledge: [registers, 4], count: [registers, 5],
  fault_code: [holding, 10], result_number: [holding, 11], heartbeat: [holding, 30],
  own_word: [holding, 12], narrow: [holding, 32],
};
const longs = { encoder: [registers, 2] };
const texts = { part_id: [registers, 8, 16], result_part_id: [holding, 20, 16] };

const outside = (unit, message) => {
  const error = new Error(message);
  error.modbusErrorCode = 2;
  return error;
};
const get = (buffer) => (address) => {
  requests++;
  if (2 * address >= buffer.length) throw outside(1, "no such register");
  return buffer.readUInt16BE(2 * address);
};
const bit = (list) => (address) => {
  requests++;
  if (address >= list.length) throw outside(1, "no such bit");
  return list[address];
};

const server = new ServerTCP({
  getCoil: bit(coils), getDiscreteInput: bit(inputs),
  getHoldingRegister: get(holding), getInputRegister: get(registers),
  setCoil: (address, value) => { coils[address] = Boolean(value); },
  setRegister: (address, value) => { holding.writeUInt16BE(value, 2 * address); },
}, { host: "127.0.0.1", port, unitID: 1 });
server.on("socketError", () => {});
server.on("initialized", () => say("UP"));

function put(values) {
  for (const [name, value] of Object.entries(values)) {
    if (name in places) places[name][0][places[name][1]] = Boolean(value);
    else if (name in words) words[name][0].writeUInt16BE(value & 0xffff, 2 * words[name][1]);
    else if (name in longs) longs[name][0].writeInt32BE(value, 2 * longs[name][1]);
    else {
      const [buffer, at, length] = texts[name];
      buffer.fill(0, 2 * at, 2 * at + length);
      buffer.write(value, 2 * at, length, "latin1");
    }
  }
}
function take(name) {
  if (name === "requests") return requests;
  if (name in places) return Boolean(places[name][0][places[name][1]]);
  if (name in words) return words[name][0].readUInt16BE(2 * words[name][1]);
  if (name in longs) return longs[name][0].readInt32BE(2 * longs[name][1]);
  const [buffer, at, length] = texts[name];
  return buffer.toString("latin1", 2 * at, 2 * at + length).split("\0")[0];
}
let count = 0;
function step() {
  count = (count + 1) % 60000;
  put({ encoder: count, part_id: "P" + String(count).padStart(8, "0") });
  put({ count });
}
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line);
  if (request.run) setInterval(step, 1);
  put(request.set || {});
  const answer = {};
  for (const name of request.get || []) answer[name] = take(name);
  say(JSON.stringify(answer));
}).on("close", () => process.exit(0));
